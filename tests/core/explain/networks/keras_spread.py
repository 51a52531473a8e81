"""A small network of TensorFlow's Keras as a model of one's own: the spread of a bond from nine columns."""

import numpy as np

COLUMNS = (
    *("rating_num", "credit_cycle", "maturity_years", "liquidity_index", "leverage_x", "interest_coverage_x"),
    *("web_traffic_z", "news_count", "supplier_stress"),
)


def network(n_columns):
    import tensorflow as tf

    return tf.keras.Sequential(
        [
            tf.keras.layers.Input((n_columns,)),
            tf.keras.layers.Dense(24, activation="tanh", kernel_regularizer=tf.keras.regularizers.L2(1e-4)),
            tf.keras.layers.Dropout(0.1),
            tf.keras.layers.Dense(1),
        ]
    )


class KerasSpread:
    label = "spread_bps"
    features = COLUMNS
    task = "regression"

    def __init__(self, epochs=40):
        self.epochs = epochs
        self.centre, self.scale, self.net = np.zeros(len(COLUMNS)), np.ones(len(COLUMNS)), network(len(COLUMNS))

    def train(self, features, target, seed):
        import tensorflow as tf

        tf.keras.utils.set_random_seed(seed % 2**31)
        table = features.to_numpy(dtype=float)
        self.centre, self.scale = np.nanmean(table, axis=0), np.nanstd(table, axis=0) + 1e-9
        self.net = network(len(COLUMNS))
        self.net.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss="mse")
        self.net.fit(self._inputs(table), np.arcsinh(target / 10), epochs=self.epochs, batch_size=128, verbose=0)

    def predict(self, features):
        found = self.net(self._inputs(features.to_numpy(dtype=float)), training=False).numpy()[:, 0]
        return 10 * np.sinh(np.clip(found.astype(float), -8, 8))

    def save(self, folder):
        arrays = {f"w{k}": each for k, each in enumerate(self.net.get_weights())}
        np.savez(folder / "net.npz", centre=self.centre, scale=self.scale, **arrays)

    @classmethod
    def load(cls, folder):
        found = cls()
        with np.load(folder / "net.npz", allow_pickle=False) as kept:
            found.centre, found.scale = kept["centre"], kept["scale"]
            found.net.set_weights([kept[f"w{k}"] for k in range(len(found.net.get_weights()))])
        return found

    def _inputs(self, table):
        return np.nan_to_num((table - self.centre) / self.scale).astype(np.float32)
