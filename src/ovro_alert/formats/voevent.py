"""VOEvent 2.0 as XML, read with nothing that XML can do to a reader: no DTD, no entity, no network.

Elements are looked for by their names without namespace, as senders differ in what they qualify.
"""

from lxml import etree

from ovro_alert.formats.unreadable import Unreadable


def parse(raw: bytes) -> etree._Element:
    """The root element, `VOEvent`.

    Raises
        Unreadable: not XML, not UTF-8, with a document type definition, nested deeper than libxml2's 256
            levels, or not a VOEvent.
    """
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise Unreadable.at("is not UTF-8") from None
    # Before any parser sees it: without a DTD no entity can grow and nothing can be fetched.
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise Unreadable.at("has a document type definition, which could declare entities: refused")
    try:
        root = etree.fromstring(raw, _parser())
    except etree.XMLSyntaxError as error:
        raise Unreadable.at(f"is not XML: {error.msg}") from None
    if etree.QName(root).localname != "VOEvent":
        raise Unreadable.at(f"is XML, but <{etree.QName(root).localname[:80]}>, not a VOEvent")
    return root


def _parser() -> etree.XMLParser:
    """One a message, as messages may be read in several threads; UTF-8, whatever a message declares."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def find(element: etree._Element, path: str) -> etree._Element | None:
    """The first element at `path`, `A/B/C`, in whatever namespace."""
    return element.find("/".join(f"{{*}}{name}" for name in path.split("/")))


def text(element: etree._Element, path: str) -> str:
    """What the element at `path` says, stripped; "" where it is empty or not there."""
    found = find(element, path)
    return "" if found is None else "".join(found.itertext()).strip()


def params(element: etree._Element, group: str) -> dict[str, str]:
    """Name and value of each Param that says something in the group of that name in What."""
    return {
        param.get("name", ""): param.get("value", "").strip()
        for one in element.findall("{*}What/{*}Group")
        if one.get("name") == group
        for param in one.findall("{*}Param")
        if param.get("value", "").strip()
    }


def every_param(element: etree._Element) -> dict[str, str]:
    """Name, in small letters, and value of each Param in What that says something, whatever its group.

    Senders agree on names more than on capitals. Of two with one name the first holds.
    """
    found: dict[str, str] = {}
    for param in element.iterfind("{*}What//{*}Param"):
        if value := param.get("value", "").strip():
            found.setdefault(param.get("name", "").lower(), value)
    return found


def citations(element: etree._Element) -> list[tuple[str, str]]:
    """(cite, ivorn) of each other message that this one names; CHIME's may be empty."""
    return [
        (one.get("cite", ""), ivorn)
        for one in element.findall("{*}Citations/{*}EventIVORN")
        if (ivorn := "".join(one.itertext()).strip())
    ]
