"""Size limits of a table. Each limit is far beyond any table to train on, and well below a full memory."""

MOST_TEXT_BYTES = 2 << 30  # of CSV and JSON lines, unpacked
MOST_SEALED_BYTES = 4 << 30  # of the content of a sealed file, which is held in memory
MOST_LINE_BYTES = 1 << 20
MOST_COLUMNS = 2_000
MOST_CELLS = 200_000_000
MOST_NAME_CHARACTERS = 1_000
MOST_LEVELS = 1_000  # of one category; a column with more levels identifies rows instead of classifying them
MOST_CLASSES = 50
LEAST_ROWS = 50

# A compressed file may be a bomb: the ratio is far above that of any table; small files do not matter.
UNPACKED_BYTES_ALLOWED = 64 << 20
MOST_PACKING = 100
