"""Simulated tables with the difficulties of well-known public ones; every column depends on latent traits of its row.

Each function takes a number of rows and a generator and returns a DataFrame. None holds real records.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def credit(n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Card accounts over six months: bills that follow each other nearly exactly, payments that often are a bill.

    24 columns: the limit in multiples of 10,000, repayment states, six bills (strongly correlated, zero-inflated, some
    negative), six payments (zero-inflated, heavy-tailed, often round), and who defaults.
    """
    n = n_rows
    wealth, prudence, trouble = rng.normal(size=(3, n))
    age = np.clip(np.round(21 + rng.gamma(3.2, 4.5, n) + 2 * wealth), 21, 79).astype(int)
    education = np.clip(np.round(2.0 - 0.6 * wealth + rng.normal(0, 0.7, n)), 1, 4).astype(int)
    education[rng.random(n) < 0.01] = 5
    limit = np.clip(np.round(np.exp(11.7 + 0.65 * wealth + 0.01 * (age - 35) + rng.normal(0, 0.45, n)) / 10_000), 1, 80)
    limit = (limit * 10_000).astype(int)
    marriage = np.where(rng.random(n) < 0.02, 3, np.where(rng.random(n) < 1 / (1 + np.exp(-(age - 32) / 5)), 1, 2))
    usage = 1 / (1 + np.exp(-(-0.8 - 1.1 * prudence + 0.4 * trouble + rng.normal(0, 0.6, n))))
    dormant = rng.random(n) < 0.08
    payer = rng.random(n) < 1 / (1 + np.exp(-(0.2 + 1.3 * prudence)))  # pays the whole bill each month
    bill = np.where(dormant, 0.0, usage * limit * np.exp(rng.normal(0, 0.15, n)))
    late = np.zeros(n, dtype=int)
    bills, payments, states = [], [], []
    for _ in range(6):
        risk = -2.4 + 1.0 * trouble - 0.5 * prudence + 0.9 * (late > 0)
        misses = (rng.random(n) < 1 / (1 + np.exp(-risk))) & ~dormant & (bill > 0)
        late = np.where(misses, np.minimum(late + 1 + (late == 0), 8), 0)
        round_to = rng.choice([1, 100, 500, 1000], n, p=[0.35, 0.2, 0.15, 0.3])
        least = np.maximum(bill, 0) * rng.uniform(0.03, 0.12, n)
        paid = np.where(payer, np.maximum(bill, 0), np.ceil(least / round_to) * round_to)
        paid = np.where(misses, 0, np.round(paid))
        spent = np.where(dormant, 0, limit * usage * rng.gamma(0.8, np.where(payer, 0.6, 0.09), n))
        following = bill * np.where(payer, 1.0, 1.012) - paid + np.where(rng.random(n) < 0.12, 0, spent)
        following = np.where(rng.random(n) < 0.02, -np.round(rng.gamma(0.6, 900, n)), following)
        bills.append(np.round(bill).astype(int))
        payments.append(paid.astype(int))
        states.append(np.where(late > 0, late, np.where(dormant | (bill <= 0), -2, np.where(payer, -1, 0))))
        bill = np.minimum(following, limit * 1.1)
    hazard = -2.3 + 0.7 * trouble + 0.55 * (states[5] > 0) * np.minimum(states[5], 3) - 0.35 * wealth
    hazard += 0.4 * (states[4] > 0) - 0.15 * np.log1p(payments[5] / 1000)
    table = {"limit": limit, "sex": np.where(rng.random(n) < 0.6, "female", "male"), "education": education,
             "marriage": marriage, "age": age}  # fmt: skip
    for name, months in (("state", states), ("bill", bills), ("paid", payments)):
        table |= {f"{name}_{k + 1}": months[5 - k] for k in range(6)}
    table["default"] = np.where(rng.random(n) < 1 / (1 + np.exp(-hazard)), "yes", "no")
    return pd.DataFrame(table)


def sessions(n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Visits to a shop: counts and durations that are zero together, rates made of them, a page value mostly zero.

    16 columns: three pairs of pages and seconds, bounce and exit rates of few and many decimals, a page value, month,
    visitor, region, browser, weekend, and whether the visit bought.
    """
    n = n_rows
    interest = rng.normal(size=n)
    visitor = np.where(rng.random(n) < 0.85, "returning", "new").astype(object)
    visitor[rng.random(n) < 0.007] = "other"
    months = ["Feb", "Mar", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    month = rng.choice(months, n, p=[0.02, 0.15, 0.27, 0.02, 0.04, 0.04, 0.04, 0.05, 0.24, 0.13])
    special = np.where((month == "May") & (rng.random(n) < 0.3), rng.choice([0.2, 0.4, 0.6, 0.8, 1.0], n), 0.0)
    product = np.floor(rng.lognormal(2.6 + 0.9 * interest, 0.8)).astype(int)
    admin = np.where(rng.random(n) < 0.48, 0, rng.geometric(np.clip(0.25 - 0.05 * interest, 0.05, 0.9)))
    info = np.where(rng.random(n) < 0.79 - 0.05 * interest, 0, rng.geometric(0.45, n))

    def seconds(pages: np.ndarray, each: float) -> np.ndarray:
        """Durations are sums of whole and half seconds over few pages, so they have odd decimals."""
        total = pages * rng.gamma(1.3, each, n) * np.exp(rng.normal(0, 0.4, n))
        idle = (pages == 0) | (rng.random(n) < 0.06)
        return np.round(np.where(idle, 0.0, total), 6 if each > 30 else 2)

    bounce = np.where(rng.random(n) < 0.45, 0.0, np.minimum(rng.gamma(0.5, 0.03, n) * np.exp(-0.6 * interest), 0.2))
    bounce = np.where(product <= 1, 0.2, np.round(bounce, 4))
    leaves = np.minimum(bounce + rng.gamma(1.6, 0.013, n) * np.exp(-0.3 * interest), 0.2)
    exit_rate = np.where(product <= 1, 0.2, leaves)
    wants = -1.9 + 0.9 * interest + 0.5 * (month == "Nov") + 0.5 * (visitor == "new") - 18 * (exit_rate - 0.04)
    page_value = np.where(rng.random(n) < 1 / (1 + np.exp(-wants)), rng.lognormal(2.6, 0.9, n), 0.0)
    buys = rng.random(n) < 1 / (1 + np.exp(-(-3.2 + 0.9 * np.log1p(page_value) + 0.4 * (month == "Nov"))))
    system = rng.choice([2, 1, 3, 4, 8, 6], n, p=[0.53, 0.21, 0.2, 0.04, 0.01, 0.01])
    browser = np.where(rng.random(n) < 0.8, np.where(system == 1, 1, 2), rng.choice([4, 5, 6, 10, 8, 3], n))
    return pd.DataFrame(
        {
            "admin": admin,
            "admin_seconds": seconds(admin, 35),
            "info": info,
            "info_seconds": seconds(info, 32),
            "product": product,
            "product_seconds": seconds(product, 36),
            "bounce": bounce,
            "exit": np.round(exit_rate, 6),
            "page_value": np.round(page_value, 3),
            "special_day": special,
            "month": month,
            "system": system,
            "browser": browser,
            "region": rng.choice(np.arange(1, 10), n, p=[0.39, 0.1, 0.19, 0.1, 0.03, 0.06, 0.06, 0.04, 0.03]),
            "visitor": visitor,
            "weekend": rng.random(n) < 0.23,
            "bought": buys,
        }
    )


def weather(n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Hourly readings of a station: a season, a day's course, spells of wind and dust; the dust is to be predicted.

    10 columns with a datetime, gaps in the dust, cumulated wind (heavy-tailed), hours of rain and snow (mostly zero).
    """
    n = n_rows
    time = pd.Timestamp("2010-01-01") + pd.to_timedelta(np.arange(n), unit="h")
    year, day = 2 * np.pi * np.arange(n) / 8766, 2 * np.pi * (np.arange(n) % 24) / 24
    slow, fast = _spell(n, 0.985, rng), _spell(n, 0.9, rng)
    temperature = np.round(12.5 - 15 * np.cos(year) - 3.5 * np.cos(day - 0.6) + 3.5 * slow)
    wet = _spell(n, 0.97, rng)
    dew = np.minimum(np.round(temperature - np.exp(2.0 - 0.55 * wet + 0.3 * np.cos(year))), temperature)
    pressure = np.round(1016.5 + 10 * np.cos(year) - 4 * slow - 2 * wet + 0.5 * np.cos(2 * day))
    state = np.digitize(fast + 0.3 * slow, [-0.8, 0.1, 0.9])
    wind = np.array(["NW", "cv", "SE", "NE"])[state]
    run, total = 0.0, np.empty(n)
    speeds = rng.choice([0.89, 1.79, 3.13, 4.02, 4.92, 5.81, 7.15], n, p=[0.25, 0.3, 0.2, 0.1, 0.07, 0.05, 0.03])
    speeds = np.where(state == 0, speeds + 2.23, speeds)
    for i in range(n):
        run = speeds[i] if i and state[i] != state[i - 1] else run + speeds[i]
        total[i] = run
    rain = _hours((wet > 1.5) & (temperature > 0))
    snow = _hours((wet > 1.3) & (temperature <= 0))
    dust = np.exp(4.3 + 0.35 * np.cos(year) + 0.55 * slow + 0.35 * wet - 0.28 * np.log1p(total) * (state == 0)
                  - 0.12 * np.log1p(total) - 0.05 * rain + 0.1 * np.cos(day) + 0.35 * _spell(n, 0.95, rng))  # fmt: skip
    dust = np.clip(np.round(dust), 2, 990)
    dust[rng.random(n) < 0.047] = np.nan
    return pd.DataFrame(
        {"time": time, "dust": dust, "dew": dew, "temperature": temperature, "pressure": pressure, "wind": wind,
         "wind_run": np.round(total, 2), "snow": snow, "rain": rain, "hour": time.hour}
    )  # fmt: skip


def _spell(n: int, keep: float, rng: np.random.Generator) -> np.ndarray:
    """A stationary AR(1) of unit variance, (n,)."""
    from scipy.signal import lfilter

    shocks = rng.normal(0, np.sqrt(1 - keep**2), n)
    shocks[0] = rng.normal()
    return lfilter([1.0], [1.0, -keep], shocks)


def _hours(on: np.ndarray) -> np.ndarray:
    """How long a state has lasted, (n,) int; 0 where it doesn't hold."""
    index = np.arange(len(on))
    last_off = np.maximum.accumulate(np.where(on, -1, index))
    return np.where(on, index - last_off, 0)


def policies(n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Motor policies: sums insured in multiples of 10,000, postcode -> city -> region, brand -> class, claims mostly 0.

    17 columns; the premium (cents) is to be predicted, and follows a tariff of the others.
    """
    n = n_rows
    n_codes, n_cities = 180, 45
    city_of = np.sort(rng.integers(0, n_cities, n_codes))
    region_of = np.sort(rng.integers(0, 8, n_cities))
    code = np.minimum(rng.zipf(1.35, n) - 1, 10_000) % n_codes
    city = city_of[code]
    density = np.exp(rng.normal(5, 1.3, n_cities))[city]
    brand = np.minimum(rng.geometric(0.16, n) - 1, 19)
    vehicle = np.array(["small", "compact", "van", "luxury", "sport"])[(brand * 7) % 5]
    luxury = np.isin(vehicle, ["luxury", "sport"])
    age = np.clip(np.round(rng.gamma(9, 5.2, n)), 18, 95).astype(int)
    licensed = np.maximum(age - 18 - rng.geometric(0.35, n), 0)
    value = np.exp(9.6 + 0.7 * luxury + rng.normal(0, 0.45, n))
    vehicle_age = np.minimum(rng.geometric(0.11, n) - 1, 30)
    insured = np.maximum(np.round(value * np.exp(-0.07 * vehicle_age) * 4 / 10_000), 1).astype(int) * 10_000
    excess = rng.choice([0, 150, 300, 500, 1000], n, p=[0.1, 0.35, 0.3, 0.2, 0.05])
    kilometres = np.round(rng.lognormal(9.4 - 0.006 * (age - 45), 0.5, n) / 1000) * 1000
    rate = np.exp(-2.3 + 0.9 * (age < 25) + 0.12 * np.log(density / 150) + 0.25 * np.log(kilometres / 12_000 + 0.1))
    claims = rng.poisson(rate)
    cost = np.where(claims > 0, np.round(rng.lognormal(7.2 + 0.2 * luxury, 1.1, n) * np.maximum(claims, 1), 2), 0.0)
    bonus = np.clip(np.round(100 - 2.5 * licensed + 12 * claims + rng.normal(0, 8, n)), 50, 230).astype(int)
    premium = (140 + 0.004 * insured) * bonus / 100 * (1 + 0.35 * (age < 25)) * (density / 150) ** 0.08
    premium = np.round(premium * np.exp(-0.0004 * excess + rng.normal(0, 0.06, n)), 2)
    start = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 36, n) * 30 + rng.integers(0, 2, n), unit="D")
    garage = rng.choice(["street", "garage", "carport"], n, p=[0.5, 0.35, 0.15]).astype(object)
    garage[rng.random(n) < 0.12] = None
    return pd.DataFrame(
        {
            "start": start,
            "age": age,
            "licensed": licensed,
            "postcode": code + 10_001,
            "city": np.array([f"city {i:02d}" for i in range(n_cities)])[city],
            "region": np.array([f"region {i}" for i in range(8)])[region_of[city]],
            "brand": np.array([f"brand {i}" for i in range(20)])[brand],
            "vehicle": vehicle,
            "vehicle_age": vehicle_age,
            "insured": insured,
            "excess": excess,
            "kilometres": kilometres.astype(int),
            "garage": garage,
            "bonus": bonus,
            "claims": claims,
            "claim_cost": cost,
            "premium": premium,
        }
    )


def showers(n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Images of a telescope as ten continuous moments, bound by geometry: two kinds of particle to tell apart."""
    n = n_rows
    gamma = rng.random(n) < 0.65
    energy = rng.normal(0, 1, n)
    length = np.exp(3.5 + 0.35 * energy + np.where(gamma, 0, 0.35) + rng.normal(0, 0.3, n))
    width = length * np.exp(-0.75 - np.where(gamma, 0.15, 0) + rng.normal(0, 0.22, n))
    width[rng.random(n) < 0.02] = 0.0
    size = 2.75 + 0.33 * energy + 0.12 * np.log(np.maximum(width, 1) / 12) + rng.normal(0, 0.13, n)
    conc = np.clip(0.38 - 0.2 * (size - 2.8) + rng.normal(0, 0.08, n), 0.01, 0.9)
    conc1 = conc * np.clip(0.56 + rng.normal(0, 0.05, n), 0.2, 0.98)
    side = np.where(rng.random(n) < 0.55, 1, -1)
    skew = side * length * np.abs(rng.normal(0.6, 0.25, n)) + rng.normal(0, 9, n)
    asymmetry = 0.9 * skew + rng.standard_t(3, n) * 0.35 * length
    trans = rng.normal(0, 1, n) * width * 0.5
    alpha = np.where(gamma & (rng.random(n) < 0.7), rng.exponential(9, n), rng.uniform(0, 90, n)) % 90
    dist = np.abs(195 + 18 * energy + rng.normal(0, 70, n))
    values = {"length": length, "width": width, "size": size, "conc": conc, "conc1": conc1, "asymmetry": asymmetry,
              "skew": skew, "trans": trans, "alpha": alpha, "dist": dist}  # fmt: skip
    table = pd.DataFrame({k: np.round(v, 4) for k, v in values.items()})
    return table.assign(particle=np.where(gamma, "gamma", "hadron"))


def houses(n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """House sales in one county: the price (often round) follows place, size, grade and age; zero-inflated extras.

    19 columns: a date, counts, areas that add up exactly, coordinates in clusters, a postcode, a year mostly zero.
    """
    n = n_rows
    centres = rng.uniform([47.2, -122.5], [47.75, -121.8], (70, 2))
    wealth_of = rng.normal(0, 1, 70) + 2.2 * (centres[:, 0] - 47.45)
    place = rng.choice(70, n, p=rng.dirichlet(np.full(70, 4.0)))
    lat, long = (centres[place] + rng.normal(0, 0.018, (n, 2))).T
    grade = np.clip(np.round(7.4 + 0.7 * wealth_of[place] + rng.normal(0, 0.9, n)), 3, 13)
    area = np.round(np.exp(7.52 + 0.17 * (grade - 7.4) + rng.normal(0, 0.27, n)) / 10) * 10
    basement = np.where(rng.random(n) < 0.61, 0, np.round(area * rng.beta(4, 7, n) / 10) * 10)
    built = np.clip(np.round(2015 - rng.gamma(1.8, 25, n) + 2 * (grade - 7)), 1900, 2015)
    renovated = np.where(rng.random(n) < 0.042, np.maximum(built, rng.integers(1980, 2016, n)), 0)
    bedrooms = np.clip(np.round(3.3 + 0.7 * np.log2(area / 1900) + rng.normal(0, 0.7, n)), 1, 9)
    bathrooms = np.clip(np.round(4 * (2.1 + 0.9 * np.log2(area / 1900) + rng.normal(0, 0.45, n))) / 4, 0.75, 7)
    lot = np.where(rng.random(n) < 0.15, area * rng.uniform(0.4, 1.2, n), rng.lognormal(8.95, 0.75, n))
    waterfront = rng.random(n) < 0.008
    view = np.where(waterfront | (rng.random(n) < 0.02), 4, np.where(rng.random(n) < 0.92, 0, rng.integers(1, 4, n)))
    worth = 12.95 + 0.55 * np.log(area / 1900) + 0.13 * (grade - 7.4) + 0.24 * wealth_of[place] + 0.5 * waterfront
    worth += 0.06 * view - 0.0015 * (built - 1970) + 0.08 * (renovated > 0)
    price = np.exp(worth + rng.normal(0, 0.16, n))
    unit = rng.choice([1, 50, 500, 1000, 5000], n, p=[0.12, 0.23, 0.25, 0.2, 0.2])
    return pd.DataFrame(
        {
            "date": pd.Timestamp("2014-05-01") + pd.to_timedelta(rng.integers(0, 390, n), unit="D"),
            "price": (np.round(price / unit) * unit).astype(int),
            "bedrooms": bedrooms.astype(int),
            "bathrooms": bathrooms,
            "living": area.astype(int),
            "lot": np.round(lot).astype(int),
            "floors": rng.choice([1.0, 1.5, 2.0, 3.0], n, p=[0.49, 0.09, 0.39, 0.03]),
            "waterfront": waterfront,
            "view": view,
            "condition": np.clip(np.round(3.3 + 0.008 * (1975 - built) + rng.normal(0, 0.5, n)), 1, 5).astype(int),
            "grade": grade.astype(int),
            "above": (area - basement).astype(int),
            "basement": basement.astype(int),
            "built": built.astype(int),
            "renovated": renovated.astype(int),
            "postcode": place + 98_001,
            "lat": np.round(lat, 4),
            "long": np.round(long, 3),
            "neighbours": (np.round(area * np.exp(rng.normal(0, 0.15, n)) / 10) * 10).astype(int),
        }
    )
