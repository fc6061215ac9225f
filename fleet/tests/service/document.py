"""Holds answers against an OpenAPI document: stdin is {"document": …, "answers": [{method, path, status, kind, text}, …]}.

Each answer must be one that the document lists for its operation, of the media type that stands there and, where that is
JSON, of its schema; what a schema does not name may not be there. Prints what is wrong, one line each.
"""

import json
import sys

from jsonschema import Draft202012Validator, FormatChecker


def strict(schema):
    """The same schema, which allows nothing that it does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict):
        made.setdefault("additionalProperties", False)
    return made


def described(operations, path):
    """The template that a path is of."""
    fits = lambda one, other: one == other or one.startswith("{")
    for template in operations:
        parts, given = template.split("/"), path.split("/")
        if len(parts) == len(given) and all(map(fits, parts, given)):
            return template
    return None


def wrong(document, answer):
    """What is wrong with an answer."""
    template = described(document["paths"], answer["path"])
    operation = document["paths"].get(template, {}).get(answer["method"])
    if operation is None:
        yield "not described"
        return
    response = operation["responses"].get(str(answer["status"])) or operation["responses"].get("default")
    kinds = response.get("content", {})
    kind = answer["kind"].split(";")[0]
    if (kind or None) not in (kinds or {None: None}):
        yield f"is {kind}, described is {list(kinds)}"
        return
    if kind.endswith("json"):
        schema = {**strict(kinds[kind]["schema"]), "components": strict(document["components"])}
        checked = Draft202012Validator(schema, format_checker=FormatChecker())
        for error in checked.iter_errors(json.loads(answer["text"])):
            yield f"{error.json_path}: {error.message}"


given = json.load(sys.stdin)
for answer in given["answers"]:
    for reason in wrong(given["document"], answer):
        print(answer["method"], answer["path"], answer["status"], reason)
