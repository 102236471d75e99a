"""The page that a bundle has for whoever finds it."""

from pthway.bundle.manifest import Manifest


def readme(described: Manifest) -> str:
    """What the bundle is and how it is used, in Markdown."""
    programs = "\n".join(
        f"| {each.runtime} | {each.file or 'the source'} | {each.difference.absolute:.1e} | {', '.join(each.dynamic) or 'none'} |"
        for each in described.programs
    )
    sections = [
        f"# {described.name} {described.version}",
        described.description,
        f"Licence: {described.licence}" if described.licence else "",
        f"It takes and gives:\n\n    {described.signature}",
        f"| runtime | file | largest difference to the network | free sizes |\n|---|---|---|---|\n{programs}",
        f"Packed {described.provenance.packed} by pthway {described.provenance.pthway}"
        + (f" from {described.provenance.file}." if described.provenance.file else "."),
        'Use it:\n\n    import pthway\n    session = pthway.open_session("PATH OF THIS FOLDER")\n    answer = session.predict(x)',
        "Check it here and now: `pthway verify PATH`",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"
