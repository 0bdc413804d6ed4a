"""Never worse than stock: what works with pflow alone works after `adopt`, and nothing untrue is said of what does not.

Each case is a small gateway (`cases/`), seen by stock pflow with the user's own entry, and with the one that `adopt` makes of it
(`differential.py`); `verdict.py` says what must hold. `docs/reference/compatibility.md` is the table of what was seen: run with
`UPDATE=1` in the environment, this writes it. `-k 'case[name]'` plays one case alone.
"""

from __future__ import annotations

import os
from pathlib import Path

import cases
import pytest
from compatibility import page
from conftest import HERE
from differential import Field, Pair
from verdict import problems

PAGE = HERE.parent.parent / "docs" / "reference" / "compatibility.md"
CASES = cases.every()
# What is not yet as it should be, and why. A case that is mended must leave the list: the test fails until it does.
KNOWN: dict[str, str] = {
    name: reason
    for reason, names in {
        "who does not know the modern era is not yet asked in the other": """
            probe-never-answered probe-open-stream probe-closed probe-reset probe-half-answered
            probe-half-headers probe-401 probe-401-no-credential probe-429 modern-array modern-array-plain
            modern-number modern-text modern-null both-eras-lists-in-legacy-only both-eras-session-wanted
            both-eras-list-unknown both-eras-fail-500
        """,
        "cookies and sessions": """
            cookie-sticky cookie-named-odd cookie-path cookie-no-path cookie-same-site cookie-two
            cookie-rotates cookie-as-session session-odd initialized-404-rpc initialized-closed
        """,
        "redirects are not followed": """
            redirect-307-relative redirect-308-absolute redirect-308-from-slash redirect-307-other-path
            redirect-307-query redirect-307-calls-only redirect-307-two-calls redirect-307-chain
        """,
        "codings, pauses and the words for them": """
            gzip-unasked gzip-upper-case gzip-chunked deflate-unasked deflate-raw coding-unknown
            gzip-stream-flushed closed-when-idle bot-check listing-busy-once retry-after-seconds
            retry-after-zero retry-after-date list-on-get-stream
        """,
        "ids, digits, and calls that may have run": """
            ids-as-lua-prints ids-with-exponent ids-in-32-bits ids-in-31-bits ids-cut-to-32-bits
            ids-cut-to-16-bits call-id-null call-id-other call-error-in-500 call-error-text call-error-minimal
            numbers-beyond-64-bits arguments-beyond-64-bits schema-numbers
        """,
        "heartbeats, and calls that may have run": """
            heartbeat-text heartbeat-number heartbeat-null heartbeat-object heartbeat-many resume-refused
            resume-elsewhere
        """,
        "pages that repeat, and odd tools": """
            pages-cursor-empty-refused pages-second-fails list-shrinks tool-description-odd name-empty
        """,
        "schemas that pflow cannot take": """
            schema-property-true schema-property-false schema-property-null schema-property-text
            schema-property-array schema-property-number schema-properties-array schema-properties-null
            schema-required-null schema-required-false schema-type-object schema-default-large
            schema-names-odd
        """,
        "results that pflow cannot take": """
            result-content-missing-structured result-structured-array result-structured-text
            result-structured-number result-structured-false result-structured-array-alone result-content-null
            result-content-missing result-content-object result-content-text result-content-texts
            result-content-nulls result-empty result-null result-text result-array result-text-number
            result-text-null result-text-missing result-text-object result-type-unknown result-type-missing
            result-type-upper-case result-image-no-type result-image-source result-link-nameless
            result-link-odd result-embedded-odd result-meta-array result-annotations-odd result-is-error-null
            result-nan error-structured error-structured-alone output-unfulfilled output-mismatch
            output-invalid output-dangling output-remote output-array output-array-wrapped output-empty
            output-property-null output-required-null output-format output-strict
        """,
        "a lost answer is not yet told as such": """
            lost-silence lost-open-stream lost-progress lost-closed lost-reset lost-half-headers
            lost-half-body lost-half-chunk lost-body-stalls lost-stream-ends lost-stream-cut lost-200-empty
            lost-200-empty-json lost-200-html lost-202 lost-204 lost-302-login lost-408 lost-499 lost-500-html
            lost-500-empty lost-502 lost-503 lost-504 lost-504-json lost-520 lost-524 lost-broken-json
            lost-no-json lost-lone-surrogate lost-not-utf-8 lost-too-deep lost-gzip-broken lost-coding-unknown
            lost-not-http lost-much lost-error-of-gateway
        """,
        "variables, proxies and authorities": """
            header-default header-default-empty header-default-odd auth-bearer-default url-query-variable
            url-query-default settings-url-variable file-servers-key proxy-http proxy-lower-case proxy-all
            proxy-with-password proxy-tunnel proxy-tunnel-lower-case proxy-tunnel-with-password
            proxy-for-loopback authority-of-environment tls-to-plain-port plain-to-tls-port
        """,
    }.items()
    for name in names.split()
}


@pytest.fixture(scope="module")
def seen(
    request: pytest.FixtureRequest, pflow_binary: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Pair]:
    """What came of the cases that this run is about."""
    asked = [item for item in request.session.items if item.path == Path(__file__)]
    named = {item.callspec.params.get("name") for item in asked if hasattr(item, "callspec")}
    whole = any(not hasattr(item, "callspec") for item in asked)
    field = Field(pflow_binary, shared_cache, tmp_path_factory.mktemp("never-worse"))
    try:
        return dict(field.play({name: case for name, case in CASES.items() if whole or name in named}))
    finally:
        field.close()


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, seen: dict[str, Pair]) -> None:
    found = problems(CASES[name], seen[name])
    if name in KNOWN:
        assert found, f"{name} is as it should be: take it off the list of what is known ({KNOWN[name]})"
        pytest.xfail(KNOWN[name])
    told = f"{CASES[name].__doc__}\n" + "\n".join(f"* {line}" for line in found)
    assert not found, f"{told}\n\nstock pflow:\n{seen[name].direct.printed}\n\nours:\n{seen[name].ours.printed}"


@pytest.mark.xfail(strict=True, reason="not yet where the file does not end with a line end")
def test_undo_gives_back_every_byte(seen: dict[str, Pair]) -> None:
    assert [name for name, pair in seen.items() if not pair.ours.undone] == []


def test_the_page_is_what_was_seen(seen: dict[str, Pair]) -> None:
    text = page(seen, KNOWN)
    if "UPDATE" in os.environ:
        PAGE.write_text(text, encoding="utf-8")
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    differ = [line for line in text.splitlines() if line not in written.splitlines()]
    assert text == written, "docs/reference/compatibility.md is out of date: run this test with UPDATE=1\n" + "\n".join(
        differ
    )


def test_what_is_known_is_of_cases_that_there_are() -> None:
    assert set(KNOWN) <= set(CASES)
