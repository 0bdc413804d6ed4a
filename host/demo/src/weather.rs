//! A demo service in the manner of a public look-up: cities and their weather, from a table.
//! Gives the same answer to the same question, always. Holds no state.

use serde_json::{Value, json};

use super::service::{Arguments, Effect, Parameter, Service, Spec, Type, may, need, text, whole};

/// The service.
pub(super) struct Weather;

struct City {
    name: &'static str,
    country: &'static str,
    /// Degrees Celsius now, and on the six days after.
    days: [f64; 7],
    sky: &'static str,
    /// Kilometres per hour.
    wind: f64,
    alert: Option<&'static str>,
}

const CITIES: &[City] = &[
    City {
        name: "Berlin",
        country: "Germany",
        days: [4.5, 3.0, 2.5, 5.0, 6.5, 6.0, 4.0],
        sky: "overcast",
        wind: 14.0,
        alert: None,
    },
    City {
        name: "Lisbon",
        country: "Portugal",
        days: [17.0, 18.5, 18.0, 16.5, 16.0, 17.5, 19.0],
        sky: "sunny",
        wind: 11.0,
        alert: None,
    },
    City {
        name: "Reykjavik",
        country: "Iceland",
        days: [-1.0, -2.5, 0.0, 1.5, 1.0, -0.5, -3.0],
        sky: "snow",
        wind: 48.0,
        alert: Some("Storm warning until Tuesday 06:00 UTC: gusts of 110 km/h."),
    },
    City {
        name: "Tokyo",
        country: "Japan",
        days: [13.0, 12.5, 14.0, 15.0, 14.5, 12.0, 11.5],
        sky: "clear",
        wind: 9.0,
        alert: None,
    },
    City {
        name: "Nairobi",
        country: "Kenya",
        days: [24.0, 24.5, 23.0, 22.5, 24.0, 25.0, 25.5],
        sky: "light rain",
        wind: 7.0,
        alert: None,
    },
];

const CITY: Parameter = need("city", Type::Text, "City, like Lisbon. list_cities says which there are.");

const TOOLS: &[Spec] = &[
    Spec {
        name: "list_cities",
        title: "List cities",
        about: "Lists the cities that the weather is known of.",
        effect: Effect::Reads,
        parameters: &[may("country", Type::Text, "Only cities of this country.")],
    },
    Spec {
        name: "get_current",
        title: "Weather now",
        about: "Returns temperature (degrees Celsius), sky and wind (km/h) of a city.",
        effect: Effect::Reads,
        parameters: &[CITY],
    },
    Spec {
        name: "get_forecast",
        title: "Forecast",
        about: "Returns the temperatures (degrees Celsius) of the next days.",
        effect: Effect::Reads,
        parameters: &[CITY, may("days", Type::Whole, "1 to 6. Default: 3.")],
    },
    Spec {
        name: "get_alerts",
        title: "Weather alerts",
        about: "Lists the weather alerts in force.",
        effect: Effect::Reads,
        parameters: &[],
    },
    Spec {
        name: "compare_cities",
        title: "Compare two cities",
        about: "Says which of two cities is warmer, and by how much.",
        effect: Effect::Reads,
        parameters: &[need("first", Type::Text, "A city."), need("second", Type::Text, "Another city.")],
    },
    Spec {
        name: "find_warmest",
        title: "Warmest city",
        about: "Returns the warmest city of all.",
        effect: Effect::Reads,
        parameters: &[],
    },
    Spec {
        name: "convert_temperature",
        title: "Convert a temperature",
        about: "Converts degrees between Celsius and Fahrenheit.",
        effect: Effect::Reads,
        parameters: &[
            need("degrees", Type::Number, "The temperature."),
            need("to", Type::Choice(&["celsius", "fahrenheit"]), "The unit wanted."),
        ],
    },
];

impl City {
    fn now(&self) -> f64 {
        self.days.first().copied().unwrap_or_default()
    }
}

fn city(name: &str) -> Result<&'static City, String> {
    CITIES.iter().find(|city| city.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<&str> = CITIES.iter().map(|city| city.name).collect();
        format!("no weather is known of \"{name}\"; it is of {}", names.join(", "))
    })
}

impl Service for Weather {
    fn name(&self) -> &'static str {
        "weather"
    }

    fn tools(&self) -> &'static [Spec] {
        TOOLS
    }

    fn call(&self, tool: &str, arguments: &Arguments) -> Result<Value, String> {
        match tool {
            "list_cities" => {
                let country = text(arguments, "country");
                let cities: Vec<Value> = CITIES
                    .iter()
                    .filter(|city| country.is_empty() || city.country.eq_ignore_ascii_case(country))
                    .map(|city| json!({"name": city.name, "country": city.country}))
                    .collect();
                Ok(json!({"cities": cities}))
            }
            "get_current" => {
                let city = city(text(arguments, "city"))?;
                Ok(json!({"city": city.name, "temperature": city.now(), "sky": city.sky, "wind": city.wind}))
            }
            "get_forecast" => {
                let city = city(text(arguments, "city"))?;
                let days = match whole(arguments, "days") {
                    0 => 3,
                    days => usize::try_from(days.min(6)).unwrap_or(6),
                };
                let days: Vec<Value> = city
                    .days
                    .iter()
                    .enumerate()
                    .skip(1)
                    .take(days)
                    .map(|(day, temperature)| json!({"in_days": day, "temperature": temperature}))
                    .collect();
                Ok(json!({"city": city.name, "days": days}))
            }
            "get_alerts" => {
                let alerts: Vec<Value> = CITIES
                    .iter()
                    .filter_map(|city| city.alert.map(|alert| json!({"city": city.name, "alert": alert})))
                    .collect();
                Ok(json!({"alerts": alerts}))
            }
            "compare_cities" => {
                let (first, second) = (city(text(arguments, "first"))?, city(text(arguments, "second"))?);
                let warmer = if first.now() >= second.now() { first } else { second };
                Ok(json!({"warmer": warmer.name, "difference": (first.now() - second.now()).abs()}))
            }
            "find_warmest" => CITIES
                .iter()
                .max_by(|a, b| a.now().total_cmp(&b.now()))
                .map(|city| json!({"city": city.name, "temperature": city.now()}))
                .ok_or_else(|| "no city is known".to_owned()),
            "convert_temperature" => {
                let degrees = arguments.get("degrees").and_then(Value::as_f64).unwrap_or_default();
                let to = text(arguments, "to");
                let result = if to == "celsius" { (degrees - 32.0) / 1.8 } else { degrees.mul_add(1.8, 32.0) };
                Ok(json!({"degrees": (result * 10.0).round() / 10.0, "unit": to}))
            }
            other => Err(format!("weather has no tool \"{other}\"")),
        }
    }
}
