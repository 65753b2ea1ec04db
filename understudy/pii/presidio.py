"""Names, places and other identifiers found by presidio: the extra `pii`, the only presidio and spacy import.

Nothing is downloaded. Names and places need a spaCy model of the language that is installed already
(`python -m spacy download en_core_web_lg`); without one presidio's patterns work alone, which find identifiers
beyond our own rules (driving licences, passports, crypto wallets, ...). E-mail addresses and URLs are left to our
own rules: presidio's recogniser fetches a list of domains.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from functools import lru_cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from understudy.pii.detect import Finding

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine

VALUES = 300
LEAST_SCORE = 0.5
_OURS = {"EmailRecognizer", "UrlRecognizer", "DateRecognizer", "IpRecognizer"}
_KINDS = {"PERSON": "name", "LOCATION": "address", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card",
          "IBAN_CODE": "iban", "CRYPTO": "crypto wallet", "MAC_ADDRESS": "mac address"}  # fmt: skip
_NO_IDENTIFIER = {"DATE_TIME", "NRP", "ORGANIZATION", "AGE", "ID"}


def installed() -> bool:
    return importlib.util.find_spec("presidio_analyzer") is not None


def asked(presidio: str, language: str) -> bool:
    """Whether presidio is to be asked, by the setting `data.pii.presidio`."""
    return presidio != "off" and installed() and (presidio == "always" or model_of(language) is not None)


def by_model(texts: list[str], language: str = "en") -> list[Finding]:
    """What presidio finds in distinct texts, the most frequent kind first; [] where it is not installed.

    The share is that of the texts with at least one entity of the kind, scored 0.5 or more.
    """
    if not installed() or not texts:
        return []
    engine, counts, some = analyzer(language), Counter[str](), texts[:VALUES]
    for text in some:
        found = engine.analyze(text=text[:2_000], language=language, score_threshold=LEAST_SCORE)
        counts.update({r.entity_type for r in found} - _NO_IDENTIFIER)
    return [
        Finding(_KINDS.get(entity, "national id"), f"presidio: {entity}", "model", k / len(some), n=len(some))
        for entity, k in counts.most_common()
    ]


@lru_cache(maxsize=4)
def analyzer(language: str) -> AnalyzerEngine:
    """An engine on the largest installed spaCy model of `language`, or on a tokenizer alone."""
    import logging

    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    for chatty in ("presidio-analyzer", "tldextract"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    model = model_of(language)
    engine = SpacyNlpEngine(models=[{"lang_code": language, "model_name": model or f"blank {language}"}])
    loaded: Any = {language: spacy.load(model) if model else spacy.blank(language)}
    engine.nlp = loaded  # else it would download the model it is named after
    registry = RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language], nlp_engine=engine)
    for name in _OURS:
        registry.remove_recognizer(name)
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[language])


def model_of(language: str) -> str | None:
    """The largest installed spaCy model of a language, e.g. en_core_web_lg; None if there is none."""
    sizes = ("sm", "md", "lg", "trf")
    models = [entry.name for entry in entry_points(group="spacy_models")]  # spaCy itself takes seconds to import
    found = [m for size in sizes for m in models if m.startswith(f"{language}_") and m.endswith(f"_{size}")]
    return found[-1] if found else None
