"""The decision alone, on hand-made findings."""

import pytest
from pydantic import ValidationError

from understudy.audit.controls import Control
from understudy.audit.gate import decide
from understudy.audit.membership.risk import Risk
from understudy.audit.policy import Policy, auc_required, tpr_level
from understudy.audit.tier0 import CopyTest, IdentifierMatch

FINE = [Control(name=n, passed=True, detail="fine") for n in ("exchangeable", "negative", "positive")]
NO_COPIES = [CopyTest(kind="rows", columns=("a",), hits_in=0, n_in=1000, hits_out=0, n_out=1000, p_value=1.0)]


def risk(**changes):
    fields = {
        "attack": "dpi", "stratum": "all", "n_in": 1000, "n_out": 1000, "auc": 0.5, "auc_low": 0.48, "auc_high": 0.52, "auc_upper": 0.52,
        "auc_p": 0.5, "level": 0.02, "supported": True, "tpr": 0.02, "tpr_low": 0.01, "tpr_high": 0.03, "tpr_upper": 0.03, "fpr": 0.02, "tpr_p": 0.5,
    }  # fmt: skip
    return Risk(**{**fields, **changes})


def exposed(**changes):
    small = {"stratum": "vulnerable", "n_in": 100, "n_out": 100, "auc_upper": 0.57, "level": 0.1, "tpr": 0.1, "tpr_upper": 0.16, "fpr": 0.1}
    return risk(**{**small, **changes})


def verdict(risks=None, n=1000, controls=FINE, matches=NO_COPIES, identifiers=()):
    return decide(
        n_in=n, n_out=n, risks=risks or [risk(), exposed()], matches=matches, identifiers=list(identifiers),
        controls=controls, policy=Policy(),
    )  # fmt: skip


def test_pass_has_no_reasons():
    assert verdict() == type(verdict())("PASS", ())


def test_a_proven_leak_fails():
    decision = verdict([risk(auc=0.6, auc_upper=0.62, auc_p=1e-9), exposed()])
    assert decision.verdict == "FAIL" and "AUC 0.600, allowed 0.550" in decision.reasons[0]
    low = verdict([risk(tpr=0.1, tpr_upper=0.12, tpr_p=1e-12), exposed()])
    assert low.verdict == "FAIL" and "10.0% of members" in low.reasons[0]


def test_a_significant_leak_within_the_limits_passes():
    assert verdict([risk(auc=0.51, auc_upper=0.515, auc_p=1e-9), exposed()]).verdict == "PASS"


def test_a_wide_bound_is_inconclusive():
    decision = verdict([risk(auc_upper=0.551), exposed()])
    assert decision.verdict == "INCONCLUSIVE" and "may be as high as 0.551" in decision.reasons[0]
    assert verdict([risk(), exposed(tpr_upper=0.31)]).verdict == "INCONCLUSIVE"


def test_holm_counts_the_tests():
    # p = .002 is significant at .01 alone, not among 30
    leak = {"auc": 0.6, "auc_upper": 0.62, "auc_p": 0.002}
    assert verdict([risk(**leak)] + [risk() for _ in range(14)] + [exposed()]).verdict == "INCONCLUSIVE"


def test_a_high_realised_false_alarm_rate_is_no_leak():
    assert verdict([risk(tpr=0.07, fpr=0.05, tpr_upper=0.08, tpr_p=1e-6), exposed()]).verdict == "INCONCLUSIVE"


def test_copies_fail_by_excess_not_by_number():
    def copies(hits_in, hits_out, p):
        return [NO_COPIES[0].model_copy(update={"hits_in": hits_in, "hits_out": hits_out, "p_value": p})]

    assert verdict(matches=copies(20, 0, 1e-6)).verdict == "FAIL"
    assert verdict(matches=copies(600, 400, 1e-18)).verdict == "FAIL"
    assert verdict(matches=copies(560, 480, 2e-4)).verdict == "PASS"  # significant, within the limits
    assert verdict(matches=copies(3, 0, 0.125)).verdict == "PASS"


@pytest.mark.parametrize("name", ["exchangeable", "negative"])
def test_an_invalid_audit_is_inconclusive_whatever_it_finds(name):
    controls = [c.model_copy(update={"passed": c.name != name}) for c in FINE]
    decision = verdict([risk(auc=0.9, auc_upper=0.9, auc_p=1e-99)], controls=controls)
    assert decision.verdict == "INCONCLUSIVE" and name in decision.reasons[0]


def test_a_blind_audit_cannot_pass_but_can_fail():
    controls = [c.model_copy(update={"passed": c.name != "positive"}) for c in FINE]
    assert verdict(controls=controls).verdict == "INCONCLUSIVE"
    assert verdict([risk(auc=0.9, auc_upper=0.9, auc_p=1e-99)], controls=controls).verdict == "FAIL"


def test_real_identifiers_fail_before_anything_else():
    match = IdentifierMatch(column="mail", hits_in=1, n_in=100, hits_out=0, n_out=300, leaked=True)
    controls = [c.model_copy(update={"passed": False}) for c in FINE]
    assert verdict(identifiers=[match], controls=controls, n=10).verdict == "FAIL"


def test_below_the_minimum_only_a_flagrant_leak_decides():
    small = verdict(n=249)
    assert small.verdict == "INCONCLUSIVE" and "250 a side" in small.reasons[0]
    assert verdict([risk(auc=0.6, auc_upper=0.7, auc_p=0.001)], n=249).verdict == "INCONCLUSIVE"
    assert verdict([risk(auc=0.9, auc_upper=0.95, auc_p=1e-9)], n=100).verdict == "FAIL"


def test_no_vulnerable_stratum_or_no_level_is_inconclusive():
    assert verdict([risk()]).verdict == "INCONCLUSIVE"
    unsupported = exposed(level=None, supported=False, n_in=9, n_out=9)
    assert "too few to bound" in verdict([risk(), unsupported]).reasons[0]


@pytest.mark.parametrize(
    ("n", "level", "supported"),
    [(5_000, 0.01, True), (1_100, 0.01, True), (1_000, 0.02, True), (800, 0.02, True), (500, 0.05, True),
     (250, 0.05, True), (100, 0.1, True), (80, 0.1, True), (40, 0.1, False), (12, None, False)],
)  # fmt: skip
def test_levels_by_size(n, level, supported):
    assert tpr_level(n, n, Policy()) == (level, supported)


def test_auc_limit_by_stratum_and_size():
    assert auc_required("all", 10, 10, Policy())
    assert not auc_required("vulnerable", 800, 800, Policy()) and auc_required("vulnerable", 1_100, 1_100, Policy())


def test_policy_is_checked():
    with pytest.raises(ValidationError, match="ascend"):
        Policy(fpr_levels=(0.1, 0.01))
    with pytest.raises(ValidationError, match="limits nothing"):
        Policy(fpr_levels=(0.5,))
    with pytest.raises(ValidationError):
        Policy(max_advantge=0.2)
    assert Policy(max_advantage=0.2).max_auc == pytest.approx(0.6)
