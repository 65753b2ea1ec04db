"""The compiled sampler of `autoregressive` against torch."""

from __future__ import annotations

import numpy as np
import torch

from tests.people import conformed_people
from understudy.generators.autoregressive import Autoregressive


def fitted() -> tuple[Autoregressive, np.ndarray]:
    table, schema = conformed_people(1500)
    generator = Autoregressive(steps=60).fit(table, schema=schema, rng=np.random.default_rng(0))
    return generator, generator.codec.encode(table)[generator.layout.columns]


def test_it_gives_the_logits_that_torch_gives() -> None:
    generator, tokens = fitted()
    sampler = generator.sampler()
    assert sampler.compiled is not None
    heads, session = generator.network.heads, generator.network.session(tokens.shape[1])
    with torch.inference_mode():
        for i in range(len(tokens)):
            state = session.state(i)
            logits = heads.group_logits(state, i)
            wanted = (logits - logits.amax(1, keepdim=True)).numpy()
            own_state, own = sampler.compiled.logits(i, np.ascontiguousarray(tokens[:i]))
            np.testing.assert_allclose(own_state, state.numpy(), atol=1e-4)
            np.testing.assert_allclose(own[wanted > -50], wanted[wanted > -50], atol=1e-4)
            session.put(i, torch.from_numpy(tokens[i].astype(np.int64)))


def test_counts_vary_less_than_those_of_independent_rows() -> None:
    """The first column's counts over 4,000 rows: independent rows would have a chi-squared of about its degrees of
    freedom; evenly spread ones stay below a tenth of that."""
    generator, _ = fitted()
    sampler, first = generator.sampler(), int(generator.layout.columns[0])
    drawn = sampler.rows(4000, np.random.default_rng(1), {})[first]
    values, counts = np.unique(drawn, return_counts=True)
    _, logits = sampler.compiled.logits(0, np.zeros((0, 1), dtype=np.uint8))  # type: ignore[union-attr]
    p = np.exp(logits[0]) / np.exp(logits[0]).sum()
    tokens = generator.codec.codecs[first].tokens_of(values)
    groups = np.bincount(generator.layout.group[0][tokens], weights=counts, minlength=len(p))
    common = p > 0.005
    assert ((groups - 4000 * p)[common] ** 2 / (4000 * p[common])).sum() < 0.1 * common.sum()


def test_the_same_seed_gives_the_same_rows_and_another_one_others() -> None:
    generator, _ = fitted()
    a, b, c = (generator.sample(300, rng=np.random.default_rng(k)) for k in (1, 1, 2))
    assert a.equals(b) and not a.equals(c)
