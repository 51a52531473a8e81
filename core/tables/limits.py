"""How large a table may be. Each limit is far beyond a table one would learn from, and well below a full memory."""

MOST_TEXT_BYTES = 2 << 30  # of CSV and JSON lines, unpacked
MOST_LINE_BYTES = 1 << 20
MOST_COLUMNS = 2_000
MOST_CELLS = 200_000_000
MOST_NAME_CHARACTERS = 128
MOST_LEVELS = 1_000  # of one category; a column with more names things instead of sorting them
MOST_CLASSES = 50
LEAST_ROWS = 50

# A packed file may be a bomb: far more than tables ever pack down to, once it is large enough to matter.
UNPACKED_BYTES_ALLOWED = 64 << 20
MOST_PACKING = 100
