"""The words that random schemas are made of. None of the demo shop's own: its tables, columns and values stay unseen."""

from __future__ import annotations

import random

ENTITIES = """patient doctor student teacher driver vehicle author book member artist album player team course farm field
machine sensor station supplier warehouse employee branch tenant building guest hotel pilot aircraft vessel port captain
donor clinic nurse lawyer client agent policy claimant subscriber channel store cashier courier restaurant chef recipe
museum painter species reserve ranger mine well turbine reactor lab chemist satellite telescope probe village district
school club athlete coach horse stable breeder pet vet garden orchard grower mill brewery baker factory plant robot
server device router account wallet merchant broker fund investor bank loan card officer citizen voter party candidate
reader publisher library volunteer charity theatre actor singer band film studio director critic game level guild
contractor project engineer tester developer team_member landlord passenger airline train depot crew tourist guide""".split()

EVENTS = """visit exam lesson trip repair loan reading order_line shipment delivery booking flight voyage transfer donation
surgery hearing claim payment stream sale shift meal tour sighting dig outage test launch scan survey match race training
harvest batch brew inspection alert reboot request login_event call message trade deposit withdrawal ballot vote review
rental screening concert rehearsal episode level_run quest build ticket sprint lease stay ride departure arrival excursion
measurement sample incident invoice refund_case return_case lot bid auction_sale pickup scan_event dose prescription
admission referral checkup assessment homework lecture workshop audit patrol rescue drill migration sighting_log""".split()

CATEGORIES = """city region colour category status type brand material department grade shift_name route language genre
segment breed crop season_name priority method source_name format_name style shape size_class species_name model_name
format_code zone district_name fuel cuisine subject sport position_name rank_name level_name tier plan_name carrier
provider vendor maker origin destination terminal platform_name engine_type ward diagnosis symptom treatment outcome
reason stage phase team_colour label publisher_name network protocol severity role title_name profession faculty
habitat climate soil finish texture flavour topping package mode direction weather sector industry currency_code""".split()

MEASURES = """price cost amount weight height length width depth duration distance score rating points quantity volume
temperature pressure speed salary fee tax discount profit margin budget balance income capacity area population power
energy voltage current dosage dose_mg pulse calories sugar protein attendance tickets seats pages words views likes
clicks downloads latency size_mb memory_mb cpu_load errors retries delay wait_time response_time fuel_used mileage
rainfall humidity depth_m altitude floors rooms beds yield_kg harvested litres bottles units stock net_value
gross_value commission bonus rent deposit_sum interest fine_sum total_paid points_won goals assists minutes""".split()

FLAGS = """late urgent valid paid refunded cancelled approved verified insured retired closed open damaged returned express
premium public private remote certified seasonal overdue broken rejected automated manual outdoor indoor digital signed
archived locked flagged suspicious failed successful repeated confirmed pending taxable exempt imported organic vegan
frozen fragile heated electric rented licensed registered trained injured absent partial recurring blocked hidden""".split()

DATES = """date day visit_date start_date end_date created_date order_day event_date booked_on shipped_on paid_on issued_on
joined_on opened_on arrival_date departure_date service_date test_date due_date record_date log_date entry_day""".split()

ATTRIBUTES = [
    "years",
    "tenure",
    "experience",
    "capacity",
    "floor",
    "seniority",
    "rank",
    "grade_number",
    "score",
    "height",
    "weight",
]

DATABASES = """clinic college transport library_db music league farming plant_ops shipping hr hospitality aviation harbour
charity legal insurance telecom retail_lab logistics dining museum wildlife mining energy research space council
athletics racing veterinary brewing manufacturing it_ops finance banking election publishing theatre cinema gaming
consulting housing travel geology weather pharma nursing schools audits rescue migrations""".split()

VALUES = {
    "city": "Oslo Porto Lyon Cork Turin Ghent Malmo Bergen Krakow Leeds Kyoto Osaka Lima Quito Cairo Tunis Dakar Accra Perth Hobart Boston Denver Austin Tampa Regina Halifax".split(),
    "colour": "red green blue black white yellow purple orange grey brown silver gold pink beige teal".split(),
    "status": "new active done waiting failed open closed shipped draft sent lost held".split(),
    "code": "A1 A2 B1 B2 C3 D4 X9 K7 Q5 Z0 M8 T6".split(),
    "grade": "low medium high critical basic standard plus elite bronze silver gold platinum".split(),
    "name": """Alder Birch Cedar Falcon Heron Otter Badger Comet Nova Orion Vega Atlas Titan Apollo Hermes Juno Ceres Delta
        Sigma Omega Kappa Lambda Zenith Apex Summit Ridge Canyon Harbor Meadow Prairie Tundra Savanna Lagoon Reef Coral
        Amber Jade Onyx Ruby Opal Quartz Granite Marble Slate Copper Iron Cobalt Nickel Zinc Carbon Neon Argon Xenon
        Mozart Verdi Chopin Elgar Handel Euler Gauss Newton Kepler Curie Darwin Turing Lovelace Hopper Noether""".split(),
    "two words": """North Wing|South Gate|Red Line|Blue Line|West Coast|East Side|High Street|Old Town|New Harbor|Upper Deck|
        Lower Deck|Main Hall|Night Shift|Day Shift|Full Board|Half Board|Self Service|Free Trial|Gold Plus|Grand Central""".replace(
        "\n        ", ""
    ).split("|"),
    "field": "surgery oncology physics history biology chemistry geography drama poetry jazz rock folk opera fiction crime travel sales legal finance support logistics design".split(),
    "food": "wheat barley oats rye maize rice soy beet apple pear plum cherry grape olive hops malt honey cocoa coffee tea".split(),
    "demonym": "Nordic Baltic Alpine Iberian Celtic Slavic Andean Pacific Atlantic Arctic Polar Coastal Urban Rural Alpine".split(),
}

_ONSETS = "b br c ch cl d dr f fl g gl h j k l m n p pl qu r s sh sl st t th tr v w y z".split()
_VOWELS = "a e i o u ai ea ee io ou".split()
_CODAS = ["", "", "", "n", "r", "l", "s", "x", "nd", "rt", "ck", "m", "st"]


_KNOWN = [w for w in (*ENTITIES, *EVENTS, *CATEGORIES, *MEASURES, *FLAGS, *DATES) if "_" not in w and len(w) > 3]
_SHOP = set("user users session sessions country active age action fraud revenue browser os ecommerce".split())


def invented(rng: random.Random) -> str:
    """A word that no list here has, lower case: syllables, or halves of two words, which look like English.

    A model that meets listed words alone learns them by heart, and fails on a schema with others.
    """
    while True:
        if rng.random() < 0.35:
            parts = [
                rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.choice((2, 2, 3)))
            ]
            word = "".join(parts)
        else:
            one, two = rng.choice(_KNOWN), rng.choice(_KNOWN)
            word = one[: rng.randint(1, len(one) - 1)] + two[rng.randint(1, len(two) - 2) :]
        if word not in _SHOP and 2 <= len(word) <= 12:
            return word


def plural(noun: str) -> str:
    """The plural of a noun, or of a phrase that ends in one."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"
