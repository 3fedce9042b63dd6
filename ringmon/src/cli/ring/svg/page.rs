//! Where things stand on the picture, and how they look. Lengths are pixels.

use std::f64::consts::TAU;

use ringmon_core::ServerRow;

/// More names than this do not fit beside each other.
const LEVEL_AT_MOST: usize = 12;
/// More names than this do not fit around the ring: then there are only dots.
pub const NAMED_AT_MOST: usize = 60;
/// Characters of a name. A name may have 64.
const NAME_AT_MOST: usize = 14;
/// Characters of a pool's name in the middle.
const POOL_AT_MOST: usize = 24;

/// Mean width of a character of a name (13 px), of a word beside it (11 px) and of a damage (12 px).
const NAME: f64 = 7.6;
const WORD: f64 = 6.2;
const DAMAGE: f64 = 6.7;
/// Room for `suspect` on each side, so that rings of short names are of one size, whoever is suspected.
const LEAST_ROOM: f64 = 46.0;
/// Between the ring and the edge of the picture, without names.
const MARGIN: f64 = 26.0;
/// From one line of text to the next.
const LINE: f64 = 18.0;

/// The ground is painted: a page may be dark while the system is light. A halo of its colour keeps text off the lines.
const STYLE: &str = "\
.ground{fill:#fff}
text{font:13px system-ui,sans-serif;fill:#24292f;stroke:#fff;stroke-width:4px;stroke-linejoin:round;paint-order:stroke}
.pool{font-size:16px;font-weight:600}.small{font-size:12px}.word{font-size:11px;fill:#9a3412}
.edge{stroke:#8c959f;stroke-width:2}.vote{stroke:#d9480f;stroke-width:5}
.broken{stroke:#cf222e;stroke-width:2;stroke-dasharray:6 4}
.server{fill:#57606a}.noted{fill:#b7791f}.suspect{fill:#d9480f;stroke:#d9480f;stroke-width:6px;stroke-opacity:.35}
.good{fill:#1a7f37}.wrong{fill:#cf222e}
@media(prefers-color-scheme:dark){.ground{fill:#0d1117}text{fill:#e6edf3;stroke:#0d1117}.word{fill:#f0a070}
.edge{stroke:#6e7681}.broken{stroke:#ff7b72}.server{fill:#9da7b3}.good{fill:#3fb950}.wrong{fill:#ff7b72}}
";

/// A server of the picture.
pub struct Node<'a> {
    pub row: &'a ServerRow,
    /// What is said of it, the most urgent first.
    pub words: Vec<&'static str>,
    /// Who votes against it.
    pub voters: Vec<String>,
}

impl Node<'_> {
    fn name(&self) -> String {
        short(&self.row.card.name, NAME_AT_MOST)
    }

    /// The first word, and how many there are besides.
    fn word(&self) -> String {
        match self.words.as_slice() {
            [] => String::new(),
            [word] => (*word).to_owned(),
            [word, more @ ..] => format!("{word} +{}", more.len()),
        }
    }

    /// The whole name and everything that is said.
    pub fn whole(&self) -> String {
        let mut said = self.row.card.name.clone();
        if !self.words.is_empty() {
            said.push_str(&format!(" ({})", self.words.join(", ")));
        }
        if !self.voters.is_empty() {
            said.push_str(&format!(", voted against by {}", self.voters.join(" and ")));
        }
        said
    }
}

/// A line between two servers. Of two kinds, the later one is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// Both are each other's buddies.
    Whole,
    /// One votes against the other.
    Vote,
    /// One is the other's buddy, and not the other way round.
    Broken,
}

impl Edge {
    const fn class(self) -> &'static str {
        match self {
            Self::Whole => "edge",
            Self::Vote => "vote",
            Self::Broken => "broken",
        }
    }
}

/// How names stand around the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Level,
    /// Along the rays of the circle.
    Turned,
    Hidden,
}

/// Sizes of one picture.
#[derive(Debug)]
pub struct Page {
    servers: usize,
    names: Names,
    /// Of the circle of servers.
    radius: f64,
    /// The square around the circle and its names. Damages are below it.
    square: f64,
    width: f64,
    height: f64,
}

impl Page {
    /// Large enough for these servers and these lines below.
    pub fn of(nodes: &[Node<'_>], below: &[String]) -> Self {
        let (names, radius) = if nodes.len() <= LEVEL_AT_MOST {
            (Names::Level, 110.0)
        } else if nodes.len() <= NAMED_AT_MOST {
            (Names::Turned, 170.0)
        } else {
            (Names::Hidden, 290.0)
        };
        let label = |node: &Node<'_>| {
            let (name, word) = (NAME * length(&node.name()), WORD * length(&node.word()));
            match names {
                Names::Level => name.max(word).max(LEAST_ROOM),
                Names::Turned => name + WORD + word,
                Names::Hidden => 0.0,
            }
        };
        let square = (2.0 * (radius + MARGIN + nodes.iter().map(label).fold(0.0, f64::max))).ceil();
        let widest = below.iter().map(|line| DAMAGE * length(line) + LINE).fold(square, f64::max).ceil();
        let lines = if below.is_empty() { 0.0 } else { LINE * (below.len() as f64 + 0.5) };
        Self { servers: nodes.len(), names, radius, square, width: widest, height: square + lines }
    }

    /// How it begins, with a name and a description for those who do not see it.
    pub fn head(&self, title: &str, description: &str) -> String {
        let Self { width, height, .. } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n<desc>{}</desc>\n\
             <style>\n{STYLE}</style>\n<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>",
            text(title),
            text(description)
        )
    }

    pub fn edge(&self, from: usize, to: usize, edge: Edge) -> String {
        let ((x1, y1), (x2, y2)) = (self.at(from, self.radius), self.at(to, self.radius));
        format!("<line class=\"{}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>", edge.class())
    }

    /// The link of a server that leads to no row.
    pub fn stub(&self, from: usize) -> String {
        let ((x1, y1), (x2, y2)) = (self.at(from, self.radius), self.at(from, self.radius * 0.6));
        let class = Edge::Broken.class();
        format!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>")
    }

    /// Its dot and its name. What has no room is in the title, which browsers show under the pointer.
    pub fn server(&self, place: usize, node: &Node<'_>) -> String {
        let (x, y) = self.at(place, self.radius);
        let suspect = !node.voters.is_empty();
        let class = match (suspect, node.words.is_empty()) {
            (true, _) => "suspect",
            (false, true) => "server",
            (false, false) => "noted",
        };
        let dot = if suspect { self.dot().max(5.0) } else { self.dot() };
        format!(
            "<g><title>{}</title><circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{dot:.1}\"/>{}</g>",
            text(&node.whole()),
            self.label(place, node)
        )
    }

    fn label(&self, place: usize, node: &Node<'_>) -> String {
        let (x, y) = self.at(place, self.radius + self.dot() + 8.0);
        let (sine, cosine) = self.angle(place).sin_cos();
        let degrees = self.angle(place).to_degrees();
        let word = node.word();
        // At the top and at the bottom a name stands in the middle, above or below its dot.
        let central = self.names == Names::Level && sine.abs() < 0.1;
        let anchor = match (central, sine >= 0.0) {
            (true, _) => "middle",
            (false, true) => "start",
            (false, false) => "end",
        };
        let (turn, step, down) = match self.names {
            Names::Hidden => return String::new(),
            // Names on the left would stand on their heads.
            Names::Turned => (if sine >= 0.0 { degrees - 90.0 } else { degrees + 90.0 }, "dx=\"6\"", 4),
            Names::Level => {
                let down = match (central, cosine > 0.0, word.is_empty()) {
                    (false, _, _) => 4,
                    (true, true, true) => 0,
                    (true, true, false) => -14,
                    (true, false, _) => 12,
                };
                (0.0, "x=\"0\" dy=\"14\"", down)
            }
        };
        let word = if word.is_empty() { word } else { format!("<tspan class=\"word\" {step}>{}</tspan>", text(&word)) };
        format!(
            "<text transform=\"translate({x:.1} {y:.1}) rotate({turn:.1})\" y=\"{down}\" text-anchor=\"{anchor}\">\
             {}{word}</text>",
            text(&node.name())
        )
    }

    /// The pool's name, the number of its servers, and whether the ring is whole.
    pub fn middle(&self, pool: &str, servers: &str, state: &str) -> String {
        let (x, y) = (self.width / 2.0, self.square / 2.0);
        let class = match state {
            "whole" => "good",
            "broken" => "wrong",
            _ => "word",
        };
        let lines = [
            ("pool", short(pool, POOL_AT_MOST), -16.0),
            ("", servers.to_owned(), 6.0),
            (class, state.to_owned(), 26.0),
        ];
        let lines = lines.into_iter().filter(|(_, line, _)| !line.is_empty()).map(|(class, line, down)| {
            format!(
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                y + down,
                text(&line)
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A line below the ring.
    pub fn below(&self, line: usize, damage: &str) -> String {
        let y = self.square + LINE * (line as f64 + 0.5);
        format!("<text class=\"small wrong\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>", LINE / 2.0, text(damage))
    }

    /// The first server is at the top. In radians, clockwise from there.
    fn angle(&self, place: usize) -> f64 {
        TAU * place as f64 / self.servers.max(1) as f64
    }

    /// This far from the centre.
    fn at(&self, place: usize, radius: f64) -> (f64, f64) {
        let (sine, cosine) = self.angle(place).sin_cos();
        (self.width / 2.0 + radius * sine, self.square / 2.0 - radius * cosine)
    }

    /// The radius of a server's dot: dots of many servers would touch.
    fn dot(&self) -> f64 {
        (TAU * self.radius / self.servers.max(1) as f64 * 0.35).clamp(0.8, 9.0)
    }
}

fn length(text: &str) -> f64 {
    text.chars().count() as f64
}

/// At most this many characters. The middle is left out: names differ at their beginnings or at their ends.
pub fn short(text: &str, most: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= most {
        return text.to_owned();
    }
    let end = most.saturating_sub(1) / 2;
    let begin = most.saturating_sub(1) - end;
    let begin: String = letters.iter().take(begin).collect();
    let end: String = letters.iter().skip(letters.len() - end).collect();
    format!("{begin}…{end}")
}

/// As XML has it, in an element or an attribute. Characters that XML cannot have, and other control characters, are
/// left out.
fn text(plain: &str) -> String {
    let mut safe = String::with_capacity(plain.len());
    for letter in plain.chars().filter(|letter| !letter.is_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}')) {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
