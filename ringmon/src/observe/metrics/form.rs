//! The two forms of a page: OpenMetrics 1.0 for whoever asks for it, otherwise the classic text of Prometheus
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

/// A form of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// What `curl` and older tools understand.
    Classic,
    /// What Prometheus asks for.
    OpenMetrics,
}

impl Form {
    /// The form that this `Accept` field asks for (RFC 9110, 12.5.1): OpenMetrics if it is named, and plain text is not
    /// liked better.
    #[must_use]
    pub fn asked(accept: Option<&str>) -> Self {
        let liked = |kind: &str| weight(accept.unwrap_or_default(), kind);
        match liked("application/openmetrics-text") {
            Some(open) if open > 0.0 && liked("text/plain").is_none_or(|plain| plain <= open) => Self::OpenMetrics,
            Some(_) | None => Self::Classic,
        }
    }

    /// Its content type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// A page in this form, from one in OpenMetrics.
    #[must_use]
    pub fn of(self, page: String) -> String {
        match self {
            Self::Classic => classic(&page),
            Self::OpenMetrics => page,
        }
    }
}

/// How much this type is liked, from 0 to 1; `None`: it is not named.
fn weight(accept: &str, kind: &str) -> Option<f32> {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(kind));
        let q = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
        q.filter(|_| named)
    });
    ranges.max_by(f32::total_cmp)
}

/// The samples are the same in both. In the classic text the comments name counters and facts as their samples do, and
/// there are no units, no facts (they are gauges), and no end.
fn classic(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut help = "";
    for line in page.lines() {
        if line.starts_with("# HELP ") {
            // The type, which says how to name it, comes next.
            help = line;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                _ => ("", kind),
            };
            let said = help.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).map_or("", |(_, said)| said);
            out.push_str(&format!("# HELP {name}{suffix} {said}\n# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with("# ") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn openmetrics_is_for_whoever_names_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, form) in [
            (None, Form::Classic),
            (Some("text/plain"), Form::Classic),
            (Some("*/*"), Form::Classic),
            (Some("application/openmetrics-text; q=0"), Form::Classic),
            (Some("text/plain;q=1,application/openmetrics-text;q=0.1"), Form::Classic),
            (Some("application/openmetrics-text"), Form::OpenMetrics),
            (Some(prometheus), Form::OpenMetrics),
        ] {
            assert_eq!(Form::asked(accept), form, "{accept:?}");
        }
    }

    #[test]
    fn the_classic_text_names_what_its_samples_are() {
        let page = "# HELP a_b Good things.\n# TYPE a_b counter\na_b_total{k=\"v\"} 1\n\
                    # HELP c About it.\n# TYPE c info\nc_info{k=\"v\"} 1\n\
                    # HELP d_seconds Time.\n# TYPE d_seconds gauge\n# UNIT d_seconds seconds\nd_seconds 2\n# EOF\n";
        let classic = "# HELP a_b_total Good things.\n# TYPE a_b_total counter\na_b_total{k=\"v\"} 1\n\
                       # HELP c_info About it.\n# TYPE c_info gauge\nc_info{k=\"v\"} 1\n\
                       # HELP d_seconds Time.\n# TYPE d_seconds gauge\nd_seconds 2\n";
        assert_eq!(Form::Classic.of(page.to_owned()), classic);
        assert_eq!(Form::OpenMetrics.of(page.to_owned()), page);
    }
}
