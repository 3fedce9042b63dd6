//! Pictures of the first silent crash, as `ringmon ring show --svg` draws the table before, meanwhile and afterwards.
//! `cargo xtask demo --faults crash --picture docs/ring.svg` makes the one in the README.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use ringmon_tests::fault::{Blow, Fault, Outcome};
use ringmon_tests::lab::Lab;

/// A suspicion that lasts longer is seen in this time; most last for 0.1 s.
const SUSPECTED_WITHIN: Duration = Duration::from_secs(2);
/// Room for a caption above each picture, in pixels.
const CAPTION: f64 = 40.0;

const BEFORE: &str = "ring-before.svg";
const SUSPECTED: &str = "ring-suspected.svg";
const HEALED: &str = "ring-healed.svg";

#[derive(Debug)]
struct Stage {
    file: &'static str,
    caption: String,
    svg: String,
}

/// The pictures so far. What goes wrong with them is said at the end, and is no fault of the pool.
#[derive(Debug, Default)]
pub struct Stages {
    wanted: bool,
    stages: Vec<Stage>,
    problems: Vec<String>,
}

impl Stages {
    pub fn new(wanted: bool) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Call it before each fault. True for the first crash: then call the other two as well.
    pub fn before(&mut self, lab: &Lab, fault: Fault) -> bool {
        let first = self.wanted && fault == Fault::Crash;
        if first {
            self.wanted = false;
            self.keep(BEFORE, "before".to_owned(), show(lab).map(Some));
        }
        first
    }

    /// Looks at the table again and again until the server is out of it.
    pub fn suspected(&mut self, lab: &mut Lab, blow: &Blow) {
        let caption = format!("{} crashes", blow.subjects.join(", "));
        let caught = catch(lab, blow);
        self.keep(SUSPECTED, caption, caught);
    }

    pub fn healed(&mut self, lab: &Lab, outcome: &Outcome) {
        if outcome.ring_ok == Some(true) {
            let after = outcome.healed_ms.map_or(String::new(), |ms| format!(" after {:.2} s", ms / 1000.0));
            self.keep(HEALED, format!("healed{after}"), show(lab).map(Some));
        }
    }

    fn keep(&mut self, file: &'static str, caption: String, svg: anyhow::Result<Option<String>>) {
        match svg {
            Ok(Some(svg)) => self.stages.push(Stage { file, caption, svg }),
            Ok(None) => self.problems.push(format!("{file}: too quick to be seen")),
            Err(error) => self.problems.push(format!("{file}: {error:#}")),
        }
    }

    /// Writes each picture into `folder`, and all of them side by side into `together`. Says where, and what is
    /// missing. `None`: no pictures were wanted, or nothing crashed.
    pub fn write(mut self, folder: &Path, together: Option<&Path>) -> Option<String> {
        if let Err(error) = write_each(folder, &self.stages) {
            self.problems.push(format!("{error:#}"));
        }
        let mut said = Vec::new();
        if !self.stages.is_empty() {
            let files: Vec<&str> = self.stages.iter().map(|stage| stage.file).collect();
            said.push(format!("pictures of the crash in {}: {}", folder.display(), files.join(", ")));
        }
        if let Some(file) = together {
            match write_together(file, &self.stages) {
                Ok(()) => said.push(format!("side by side in {}", file.display())),
                Err(error) => self.problems.push(format!("{}: {error:#}", file.display())),
            }
        }
        said.extend(self.problems.iter().map(|problem| format!("NO PICTURE {problem}")));
        (!said.is_empty()).then(|| said.join("; "))
    }
}

fn show(lab: &Lab) -> anyhow::Result<String> {
    lab.must(&["ring", "show", "--svg"])
}

/// The picture with the most votes; `None` if the server was out of the table first.
fn catch(lab: &mut Lab, blow: &Blow) -> anyhow::Result<Option<String>> {
    let end = Instant::now() + SUSPECTED_WITHIN;
    let (mut caught, mut most) = (None, 1);
    while Instant::now() < end {
        lab.listen()?;
        let said = |what: &str| {
            let since = lab.events().iter().filter(|event| event.mono_ns >= blow.at_ns);
            blow.subjects.iter().any(|subject| since.clone().any(|event| event.is(what, subject)))
        };
        if said("down") {
            break;
        }
        if !said("suspect") {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        }
        let svg = show(lab)?;
        let votes = svg.matches("class=\"vote\"").count();
        if votes >= most {
            (caught, most) = (Some(svg), votes);
        }
    }
    Ok(caught)
}

fn write_each(folder: &Path, stages: &[Stage]) -> anyhow::Result<()> {
    if stages.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for file in [BEFORE, SUSPECTED, HEALED] {
        let path = folder.join(file);
        match stages.iter().find(|stage| stage.file == file) {
            Some(stage) => write(&path, &stage.svg)?,
            // One of an earlier demo would be taken for this one's.
            None if path.exists() => {
                std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
            None => {}
        }
    }
    Ok(())
}

fn write_together(file: &Path, stages: &[Stage]) -> anyhow::Result<()> {
    let has = |file: &str| stages.iter().any(|stage| stage.file == file);
    ensure!(has(BEFORE) && has(HEALED), "there is no picture of a crash that healed");
    write(file, &together(stages)?)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Pictures side by side, each below its caption. Names in a lab need no escaping. The styles of the inner pictures
/// hold for the outer one too.
fn together(stages: &[Stage]) -> anyhow::Result<String> {
    let (mut width, mut height, mut parts) = (0.0, 0.0_f64, Vec::new());
    for Stage { caption, svg, .. } in stages {
        let (wide, high) = size(svg).context("`ringmon ring show --svg` printed a picture without a size")?;
        parts.push(format!(
            "<g transform=\"translate({width} {CAPTION})\">\n<text x=\"{}\" y=\"-12\" text-anchor=\"middle\" \
             style=\"font-size:17px;font-weight:600\">{caption}</text>\n{}\n</g>",
            wide / 2.0,
            svg.trim_end()
        ));
        width += wide;
        height = height.max(high + CAPTION);
    }
    let captions: Vec<&str> = stages.iter().map(|stage| stage.caption.as_str()).collect();
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>A ring that heals</title>\n<desc>{}</desc>\n\
         <rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n{}\n</svg>\n",
        captions.join("; "),
        parts.join("\n")
    ))
}

/// Width and height of a picture, as its first element says.
fn size(svg: &str) -> Option<(f64, f64)> {
    let number = |key: &str| {
        let (_, rest) = svg.split_once(key)?;
        rest.split_once('"')?.0.parse::<f64>().ok()
    };
    number(" width=\"").zip(number(" height=\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(file: &'static str, width: u32) -> Stage {
        let svg = format!("<svg xmlns=\"x\" width=\"{width}\" height=\"300\"><rect width=\"1\" height=\"1\"/></svg>\n");
        Stage { file, caption: file.replace(".svg", ""), svg }
    }

    #[test]
    fn pictures_stand_side_by_side_below_their_captions() {
        let svg = together(&[stage(BEFORE, 200), stage(HEALED, 250)]).unwrap();
        assert!(svg.contains("width=\"450\" height=\"340\" viewBox=\"0 0 450 340\""), "{svg}");
        assert!(svg.contains("translate(0 40)") && svg.contains("translate(200 40)"), "{svg}");
        assert!(svg.contains(">ring-before</text>") && svg.matches("</svg>").count() == 3, "{svg}");
        assert!(together(&[Stage { file: BEFORE, caption: String::new(), svg: "what?".to_owned() }]).is_err());
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut stages = Stages::new(true);
        stages.keep(SUSPECTED, String::new(), Ok(None));
        let said = stages.write(Path::new("/nowhere"), Some(Path::new("/nowhere/ring.svg"))).unwrap();
        assert!(said.contains("NO PICTURE ring-suspected.svg: too quick"), "{said}");
        assert!(said.contains("NO PICTURE /nowhere/ring.svg: there is no picture of a crash that healed"), "{said}");
        assert_eq!(Stages::new(false).write(Path::new("/nowhere"), None), None);
    }
}
