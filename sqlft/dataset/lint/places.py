"""What people call countries and devices, and what a table is likelier to call them."""

from __future__ import annotations

_SAID = {
    "United Kingdom": "uk gb britain british england english scotland great_britain",
    "Germany": "german germans de deutschland",
    "France": "french fr français",
    "Netherlands": "dutch nl holland the_netherlands",
    "United States": "us usa american americans america united_states_of_america",
    "Spain": "spanish es",
    "Italy": "italian italians it",
    "Belgium": "belgian belgians be",
    "Austria": "austrian austrians at",
    "Switzerland": "swiss ch",
    "Poland": "polish pl",
    "Portugal": "portuguese pt",
    "Sweden": "swedish swedes se",
    "Norway": "norwegian norwegians no",
    "Denmark": "danish danes dk",
    "Finland": "finnish finns fi",
    "Ireland": "irish ie",
    "Greece": "greek greeks gr",
    "Russia": "russian russians ru",
    "China": "chinese cn",
    "Japan": "japanese jp",
    "India": "indian indians in",
    "Canada": "canadian canadians ca",
    "Australia": "australian australians au",
    "Brazil": "brazilian brazilians br",
    "Mexico": "mexican mexicans mx",
    "Turkey": "turkish türkiye tr",
    "macOS": "mac macs mac_os macintosh os_x osx macbook",
    "iOS": "iphone iphones ipad ipados apple_phone",
    "Windows": "win microsoft_windows",
    "Chrome": "google_chrome chromium",
    "Edge": "microsoft_edge ms_edge",
    "Firefox": "mozilla mozilla_firefox",
    "Safari": "apple_safari",
}
MEANT = {said.replace("_", " "): value for value, names in _SAID.items() for said in names.split()}
"""What is meant by each saying, lower case."""

SAYINGS = {
    value: [name.replace("_", " ") for name in names.split() if len(name) > 3 or name in ("uk", "usa", "mac")]
    for value, names in _SAID.items()
}
"""What else a question may call each value; codes of two letters, which are words too, left out."""
