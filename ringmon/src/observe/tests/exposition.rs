//! A strict reader of OpenMetrics text (OpenMetrics 1.0): what it accepts, Prometheus accepts.

use std::collections::{BTreeMap, BTreeSet};

/// Label names and values, as written.
pub type Labels = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Labels,
    pub value: f64,
}

#[derive(Debug)]
pub struct Page(pub Vec<Sample>);

impl Page {
    /// The value of the sample with this name and these labels, whatever its pool is.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let labels = |sample: &Sample| {
            let mut labels = sample.labels.clone();
            labels.remove("pool");
            labels
        };
        self.0.iter().find(|s| s.name == name && labels(s) == wanted).map(|s| s.value)
    }
}

/// The declared type of a family, and whether more of its samples may come.
struct Family {
    name: String,
    kind: String,
    help: bool,
}

/// # Errors
/// The first line that is against the rules, and why.
pub fn read(text: &str) -> Result<Page, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("the page does not end with # EOF")?;
    let mut samples = Vec::new();
    let mut finished: BTreeSet<String> = BTreeSet::new();
    let mut series: BTreeSet<String> = BTreeSet::new();
    let mut family: Option<Family> = None;
    for line in body.split_terminator('\n') {
        let fail = |why: &str| format!("{why}: {line}");
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name, rest) = (words.next(), words.next(), words.next());
            let (what, name, rest) = (what.unwrap_or(""), name.ok_or(fail("no name"))?, rest.ok_or(fail("no text"))?);
            if family.as_ref().is_none_or(|f| f.name != name) {
                if let Some(done) = family.take() {
                    finished.insert(done.name);
                }
                if finished.contains(name) {
                    return Err(fail("a family comes twice"));
                }
                family = Some(Family { name: name.to_owned(), kind: String::new(), help: false });
            }
            let current = family.as_mut().ok_or(fail("no family"))?;
            match what {
                "HELP" => current.help = true,
                "TYPE" if ["counter", "gauge", "histogram", "info"].contains(&rest) => {
                    rest.clone_into(&mut current.kind)
                }
                "UNIT" if name.ends_with(&format!("_{rest}")) => {}
                _ => return Err(fail("a comment of no known kind, or a unit that is not in the name")),
            }
            continue;
        }
        let sample = sample(line).map_err(|why| fail(&why))?;
        let current = family.as_ref().ok_or(fail("a sample before any family"))?;
        if !current.help || current.kind.is_empty() {
            return Err(fail("a sample before its family's help and type"));
        }
        belongs(&sample, current).map_err(|why| fail(&why))?;
        if !series.insert(format!("{} {:?}", sample.name, sample.labels)) {
            return Err(fail("a sample comes twice"));
        }
        samples.push(sample);
    }
    histograms(&samples)?;
    Ok(Page(samples))
}

/// Whether a sample has a suffix and a value that its family's type allows.
fn belongs(sample: &Sample, family: &Family) -> Result<(), String> {
    let suffix = sample.name.strip_prefix(&family.name).ok_or("a sample of another family")?;
    let allowed: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => &["_info"],
    };
    if !allowed.contains(&suffix) {
        return Err(format!("a {} has no {suffix:?}", family.kind));
    }
    if suffix == "_bucket" && !sample.labels.contains_key("le") {
        return Err("a bucket without a bound".to_owned());
    }
    if family.kind != "gauge" && (sample.value < 0.0 || !sample.value.is_finite()) {
        return Err("a value that cannot be counted".to_owned());
    }
    if family.kind == "info" && sample.value.to_bits() != 1.0_f64.to_bits() {
        return Err("an info that is not 1".to_owned());
    }
    Ok(())
}

/// `name{label="value",...} number`
fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    let good_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if !good_name(name) {
        return Err("a name with letters it may not have".to_owned());
    }
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        if rest.starts_with('}') {
            return Err("empty braces".to_owned());
        }
        while !rest.starts_with('}') {
            let (key, after) = rest.split_once("=\"").ok_or("a label without a value")?;
            if !good_name(key) {
                return Err("a label with letters it may not have".to_owned());
            }
            let (value, after) = quoted(after)?;
            if labels.insert(key.to_owned(), value).is_some() {
                return Err("a label twice".to_owned());
            }
            rest = after.strip_prefix(',').unwrap_or(after);
            if after.starts_with(',') == rest.starts_with('}') {
                return Err("labels are not separated by single commas".to_owned());
            }
        }
        rest = &rest[1..];
    }
    let number = rest.strip_prefix(' ').ok_or("no space before the value")?;
    let value = number.parse().map_err(|_| format!("{number:?} is no number"))?;
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// A value up to its closing quote, with its escapes undone, and the rest.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => value.push('\n'),
                Some(c @ ('\\' | '"')) => value.push(c),
                _ => return Err("an escape that is none".to_owned()),
            },
            _ => value.push(c),
        }
    }
    Err("a value that does not end".to_owned())
}

/// Buckets must grow with their bounds, and end at +Inf with the count.
fn histograms(samples: &[Sample]) -> Result<(), String> {
    let mut all: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for sample in samples.iter().filter(|s| s.name.ends_with("_bucket")) {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le").ok_or("no bound")?;
        let bound =
            if bound == "+Inf" { f64::INFINITY } else { bound.parse().map_err(|_| "a bound that is no number")? };
        let base = sample.name.trim_end_matches("_bucket").to_owned();
        all.entry((base, format!("{labels:?}"))).or_default().push((bound, sample.value));
    }
    for ((name, labels), buckets) in all {
        if !buckets.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1) {
            return Err(format!("the buckets of {name} {labels} do not grow"));
        }
        let count = samples.iter().find(|s| s.name == format!("{name}_count") && format!("{:?}", s.labels) == labels);
        let last = buckets.last().copied().unwrap_or_default();
        if last.0.is_finite() || count.is_none_or(|c| c.value.to_bits() != last.1.to_bits()) {
            return Err(format!("the buckets of {name} {labels} do not end with the count"));
        }
    }
    Ok(())
}

#[test]
fn the_reader_is_strict() {
    let page = |lines: &str| read(&format!("# HELP a_x b\n# TYPE a_x counter\n{lines}# EOF\n"));
    assert!(page("a_x_total{k=\"v\"} 1\n").is_ok());
    for wrong in [
        "a_x 1\n",
        "a_x_total -1\n",
        "a_x_total{k=\"v\"} 1\na_x_total{k=\"v\"} 2\n",
        "a_x_total{k=\"a\"b\"} 1\n",
        "a_x_total{k=\"a\\b\"} 1\n",
        "a_x_total{k=\"a\",} 1\n",
        "a_x_total{k=\"a\"j=\"b\"} 1\n",
        "a_x_total{k=\"a} 1\n",
        "a_x_total  1\n",
        "b_total 1\n",
        "\n",
        "# TYPE b counter\nb_total 1\n",
        "# HELP b c\n# TYPE b counter\n# HELP a_x b\n",
        "# UNIT a_x seconds\n",
    ] {
        assert!(page(wrong).is_err(), "taken: {wrong}");
    }
    let histogram = |lines: &str| read(&format!("# HELP h b\n# TYPE h histogram\n{lines}# EOF\n"));
    assert!(histogram("h_sum 1\nh_count 2\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 2\n").is_ok());
    assert!(histogram("h_sum 1\nh_count 2\nh_bucket{le=\"0.1\"} 3\nh_bucket{le=\"+Inf\"} 2\n").is_err());
    assert!(histogram("h_sum 1\nh_count 3\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 2\n").is_err());
    assert!(read("a_x_total 1\n").is_err(), "no end");
}
