"""scikit-learn's PCA and exact t-SNE of rows that a formula gives, in f64.

Prints the file embedding.json, which tests/it/embedding.rs compares with this library's. To make it again:

    pip install scikit-learn==1.9.1 && python embedding.py >embedding.json
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.spatial.distance import pdist, squareform
from scipy.stats import entropy
from sklearn.decomposition import PCA
from sklearn.manifold import _t_sne

sys.path.insert(0, str(Path(__file__).parents[1] / "keras"))
from formulas import noise, rounded  # noqa: E402


def rows(count, numbers):
    """Noise in which each column has a fifteenth more weight than the next one."""
    return noise(3, count * numbers).reshape(count, numbers) * 15 / (15 + np.arange(numbers))


def pca(count, numbers, components):
    values = rows(count, numbers)
    found = PCA(components, svd_solver="full").fit(values)
    return {
        "shape": [count, numbers],
        "explained_variance_ratio": rounded(found.explained_variance_ratio_.tolist()),
        "points": rounded(found.transform(values)[:8].flatten().tolist()),
    }


def groups():
    """Sixty rows, each twenty around a middle of their own."""
    middles = np.repeat(2 * noise(5, 3 * 10).reshape(3, 10), 20, axis=0)
    return middles + noise(7, 600).reshape(60, 10)


def similarities(values, perplexity):
    """scikit-learn's, but in f64: there they are found in f32, and in the first steps small differences grow."""
    distances = squareform(pdist(values, "sqeuclidean"))
    alike = np.zeros_like(distances)
    for own in range(len(values)):
        others = np.arange(len(values)) != own

        def probabilities(precision):
            weights = np.exp(-precision * (distances[own, others] - distances[own, others].min()))
            return weights / weights.sum()

        def excess(precision):
            return entropy(probabilities(precision)) - np.log(perplexity)

        alike[own, others] = probabilities(brentq(excess, 1e-3, 1e2, xtol=1e-15, rtol=1e-14))
    alike = squareform((alike + alike.T) / (2 * len(values)))
    theirs = _t_sne._joint_probabilities(distances, perplexity, verbose=0)
    np.testing.assert_allclose(alike, theirs, rtol=1e-3, atol=1e-9)
    return alike


def tsne(values, alike, iterations):
    """The points after some of scikit-learn's own steps, and what it makes small."""
    points = PCA(2, svd_solver="full").fit_transform(values)
    points *= 1e-4 / points[:, 0].std()
    exaggerated = min(iterations, 250)
    for factor, count, momentum in [(12, exaggerated, 0.5), (1, iterations - exaggerated, 0.8)]:
        if count:
            points, _, _ = _t_sne._gradient_descent(
                _t_sne._kl_divergence,
                points.ravel(),
                it=0,
                max_iter=count,
                n_iter_without_progress=count,
                min_grad_norm=0,
                momentum=momentum,
                learning_rate=max(len(values) / 12 / 4, 50),
                args=[factor * alike, 1, len(values), 2],
                kwargs={"skip_num_points": 0},
            )
    divergence, _ = _t_sne._kl_divergence(points.ravel(), alike, 1, len(values), 2)
    return points.ravel().tolist(), float(divergence)


def main():
    values = groups()
    alike = similarities(values, 12)
    points, _ = tsne(values, alike, 20)
    # Later, rounding decides on which side a point passes another one: twenty roundings, and what each comes to.
    roundings = (1 + 1e-9 * noise(key, len(alike)) for key in range(11, 31))
    divergences = [tsne(values, alike * rounding, 1000)[1] for rounding in roundings]
    results = {
        "pca": [pca(60, 30, 5), pca(25, 200, 3), pca(2000, 12, 12)],
        "similarities": rounded(alike.tolist()),
        "points_after_20": rounded(points),
        "divergences_after_1000": rounded(divergences),
    }
    print("{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(it)}" for name, it in results.items()) + "\n}")


main()
