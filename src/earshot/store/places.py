"""What both stores say of the names of locations. No SQL. The one rule: names are compared without letter case."""

LONGEST = 255
MOST = 2**31


def checked_location(name: str, number: int | None = None) -> str:
    """`name` without the spaces around it. Raises ValueError for one that is blank or too long, or a number that no
    client could send as LOCATIONID."""
    name = name.strip()
    if not name or len(name) > LONGEST:
        raise ValueError(f"a location needs a name of 1 to {LONGEST} characters")
    if number is not None and not 1 <= number < MOST:
        raise ValueError(f"locations are numbered from 1 to {MOST - 1}")
    return name


def location_key(name: str) -> str:
    """What names of locations are unique by."""
    return name.strip().casefold()
