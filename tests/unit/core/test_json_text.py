"""Documents of which some parts stay text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.json_text import TEXT, JsonText, Shape, check_texts, members, merged, read, with_texts, write
from core.limits import MAX_BODY_MEMBERS
from core.payload import Json, check_halves, readable
from core.rest_model import Payload, RestModel, shape_of
from tests.support.json_texts import json_texts

HALF = "\\ud800"
SHAPE = Shape(members={"a": TEXT, "b": Shape(members={"c": TEXT}), "d": Shape(each=TEXT)})
"""A payload as a member, deeper, and as every element of an array."""


class Item(RestModel):
    """A part of a body."""

    input_data: Payload
    name: str = ""


class Other(RestModel):
    """Another one."""

    output: Payload | None = None


class Body(RestModel):
    """Payloads at all places where they can stand."""

    one: Item
    either: Item | Other | None
    several: list[Item]
    by_name: dict[str, Payload]
    number: int = 0


@given(json_texts(), json_texts())
def test_parts_come_back_to_the_character(first: str, second: str) -> None:
    """Whatever stands around them; the rest is what a parser makes of it."""
    text = f""" {{"x" : [1, {{"a": 2}}] ,"a":{first},
        "b": {{"a": {second}, "c" : {second} }}, "d": [{first},{second}] }} """
    found = read(text, SHAPE)
    assert (found["x"], found["b"]["a"]) == ([1, {"a": 2}], json.loads(second))
    assert [found["a"], found["b"]["c"]] == [JsonText(Json(first)), JsonText(Json(second))]
    assert found["d"] == [JsonText(Json(first)), JsonText(Json(second))]
    written = write(found).decode()
    assert f'"a": {first}, "b": ' in written
    assert json.loads(written) == json.loads(text)


@given(st.text(max_size=30) | json_texts().map(lambda text: text[:-1]) | json_texts().map(lambda text: text + ","))
def test_exactly_json_is_taken_whatever_the_shape(text: str) -> None:
    """As much as the standard library takes, but for NaN and Infinity."""
    for document in (text, f'{{"a": {text}}}', f'{{"b": {{"c":{text}}}}}', f"[{text}]", f'{{"a": 1 {text}}}'):
        for shape in (Shape(), TEXT, SHAPE, Shape(each=TEXT)):
            assert _is_read(document, shape) == _is_json(document)


def _is_read(document: str, shape: Shape) -> bool:
    try:
        read(document, shape)
    except ValueError:
        return False
    return True


def _is_json(document: str) -> bool:
    try:
        json.loads(document, parse_constant=int)  # which takes none of the constants
    except ValueError:
        return False
    return True


def test_of_equal_names_the_last_counts() -> None:
    """As for every other parser in Python."""
    assert read('{"a": 1.0, "a": 2.0}', SHAPE) == {"a": JsonText(Json("2.0"))}
    assert members(Json('{"x" : 1.0,"x": 2.50 }')) == {"x": "2.50"}


@pytest.mark.parametrize("document", ["[1]", "1", "{", '{"a"}', '{"a":1,}', "{1:1}", '{"a":1}x', "{,}", ""])
def test_members_are_those_of_an_object(document: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"."):
        members(Json(document))


def test_the_characters_that_are_looked_at_one_by_one_are_bounded() -> None:
    """All members and elements beside payloads together."""
    row = ",".join(f'"{number}":1' for number in range(MAX_BODY_MEMBERS // 2))
    assert len(members(Json(f"{{{row}}}"))) == MAX_BODY_MEMBERS // 2
    for text in (f'{{{row},"d":[{",".join("1" * (MAX_BODY_MEMBERS // 2))}]}}',):
        with pytest.raises(InvalidInput, match="more than 1000 values outside of payloads"):
            read(text, SHAPE)
    assert read(f'{{"a": {{{row},"z":[{",".join("1" * MAX_BODY_MEMBERS)}]}}}}', SHAPE)


def test_answers_embed_what_is_stored() -> None:
    """Even what no parser takes: an answer never fails for a stored text."""
    stored: list[Any] = [JsonText(Json(text)) for text in ('"\\ud800"', "1e999", "[1.10]")]
    assert write({"data": stored, "text": "\u00e4"}) == '{"data": ["\\ud800", 1e999, [1.10]], "text": "ä"}'.encode()
    assert write({"text": "\ud800"}) == b'{"text": "?"}'
    with pytest.raises(TypeError, match="set is no value of JSON"):
        write({"a": {1}})


def test_a_text_cannot_pose_as_an_embedded_one() -> None:
    """The mark of the places is drawn anew for each answer."""
    texts = [JsonText(Json("1.0")), "0" * 32, JsonText(Json('"x"')), {"0" * 32: JsonText(Json("null"))}]
    assert json.loads(write(texts)) == [1.0, "0" * 32, "x", {"0" * 32: None}]


def test_models_tell_where_payloads_stand() -> None:
    """By both spellings of a name; in models, unions, lists and maps."""
    assert shape_of(Body).members.keys() == {"one", "either", "several", "by_name", "byName"}
    assert shape_of(Body).members["one"] == Shape(members={"input_data": TEXT, "inputData": TEXT})
    text = (
        '{"one": {"inputData": 1.0}, "either": {"output": 2.0}, "several": [{"input_data": 3.0}, {"inputData": "x"}],'
        ' "byName": {"n": 4.0}, "number": 5}'
    )
    body = Body.model_validate(read(text, shape_of(Body)))
    assert (body.one.input_data, body.number) == (JsonText(Json("1.0")), 5)
    assert body.several[1].input_data == JsonText(Json('"x"'))
    written = write(body.as_json()).decode()
    for part in ('"inputData": 1.0', '"output": 2.0', '"inputData": 3.0', '"inputData": "x"', '"byName": {"n": 4.0}'):
        assert part in written
    assert (
        write(Body(**{**body.model_dump(), "either": None}).as_json())
        == written.replace('{"output": 2.0}', "null").encode()
    )


class _Places(RestModel):
    plain: Payload
    listed: list[Payload]
    mapped: dict[str, Payload]
    maybe: Payload | None = None
    inner: list[Item]
    name: str
    numbers: list[int]
    either: Item | Other


def test_a_payload_is_found_wherever_a_type_can_hold_it() -> None:
    """Members without a payload have no shape, so that they are parsed."""
    item = Shape(members={"input_data": TEXT, "inputData": TEXT})
    assert shape_of(_Places).members == {
        "plain": TEXT,
        "listed": Shape(each=TEXT),
        "mapped": Shape(each=TEXT),
        "maybe": TEXT,
        "inner": Shape(each=item),
        "either": Shape(members={**item.members, "output": TEXT}),
    }


def test_a_payload_may_be_given_as_a_value() -> None:
    """For handlers that make one."""
    assert write(Item(input_data={"n": 1}).as_json()) == b'{"inputData": {"n":1}, "name": ""}'  # type: ignore[arg-type]


def test_shapes_of_nothing_are_none() -> None:
    """And a value that is not there stays away."""
    assert merged([]) is None
    assert with_texts(None, TEXT) is None
    assert with_texts({"x": 1}, SHAPE) == {"x": 1}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (f'{{"x": "{HALF}"}}', "the body.x holds half of a character"),
        ('{"x": ["\\u0000"]}', "the body.x holds a NUL character"),
        ('{"x": {"\\u0000": 1}}', "a name in the body.x holds a NUL character"),
        (f'{{"a": {{"y": ["{HALF}"]}}}}', "the body.a.y holds half of a character"),
        (f'{{"a": {{"{HALF}": 1}}}}', "a name in the body.a holds half of a character"),
    ],
)
def test_texts_that_cannot_be_stored_are_found(body: str, problem: str) -> None:
    """By their place, inside payloads too."""
    with pytest.raises(InvalidInput, match=problem):
        check_texts(read(body, SHAPE), "the body")


def test_a_nul_character_in_a_payload_is_an_escape() -> None:
    """It is stored as it stands, and never as a character."""
    check_texts(read('{"a": ["\\u0000"], "x": "\\ud83d\\ude00"}', SHAPE), "the body")


@given(
    st.lists(
        st.sampled_from(["\\ud83d", "\\uDE00", "\\\\", "\\n", "ud800", "\\u00e4", '\\"', "x", "\\uFFFF"]), max_size=8
    )
)
def test_halves_are_found_exactly(parts: list[str]) -> None:
    """Wherever they stand among other escapes; and a document that is read has none left, and nothing else changed."""
    document = Json('"' + "".join(parts) + '"')
    value = json.loads(document)
    whole = "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in value)
    assert json.loads(readable(document)) == whole
    if whole == value:
        check_halves(document, "input")
        assert readable(document) == document
    else:
        with pytest.raises(InvalidInput, match="input holds half"):
            check_halves(document, "input")
