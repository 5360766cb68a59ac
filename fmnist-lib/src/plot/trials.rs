//! The trials of a search: the longer one was trained, the stronger its colour.

use std::fmt;

use plotters::prelude::RGBColor;

use super::Figure;
use super::axis::Scale;
use super::canvas::{Area, BLUE, Canvas, Drawn, PX, clean};
use super::figure::Content;
use super::legend::{Item, Legend, Sample};
use super::panel::{Panel, Point, Series};
use crate::history::History;
use crate::support::table::significant;

/// Validation accuracy against the epoch: a line for each run. The runs of each group have one colour, from pale for the
/// first group, such as those that were stopped after an epoch, to strong for the last. The highest end of a line of
/// the last group is marked.
///
/// [`SearchResults::curves`](crate::SearchResults::curves) draws a search this way.
pub fn trials(groups: &[(&str, &[&History])]) -> Figure {
    let groups = groups.iter().map(|(name, runs)| {
        let runs: Vec<_> = runs.iter().map(|history| (0.0, *history)).collect();
        (format!("{} ({})", clean(name), runs.len()), runs)
    });
    of_search(Against::Epoch, groups.collect())
}

/// Validation accuracy after the last epoch against a setting: a dot for each run, which stands behind the value of its
/// setting. The colours of the groups are those of [`trials`]. The axis is logarithmic where the values are positive
/// and the largest is more than ten times the smallest. A few values are all named below it, where their names have room.
///
/// [`SearchResults::against`](crate::SearchResults::against) draws a search this way.
pub fn trials_against(x_title: &str, groups: &[(&str, &[(f64, &History)])]) -> Figure {
    let groups = groups.iter().map(|(name, runs)| {
        let legend = format!("{} ({})", clean(name), runs.len());
        (legend, runs.to_vec())
    });
    of_search(Against::Number(clean(x_title)), groups.collect())
}

/// What the accuracy is drawn against.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Against {
    Epoch,
    /// A setting of this name.
    Number(String),
    /// A setting of this name that is one of these words; it is given by their places.
    Word(String, Vec<String>),
}

/// For each group its legend, and its runs with their setting.
pub(crate) fn of_search(against: Against, groups: Vec<(String, Vec<(f64, &History)>)>) -> Figure {
    let points = |(x, history): (f64, &History)| {
        let curve = curve(history);
        let last = curve.last().map(|(_, accuracy)| (x, *accuracy));
        match against {
            Against::Epoch => curve,
            Against::Number(_) | Against::Word(..) => Vec::from_iter(last),
        }
    };
    let groups = groups.into_iter().map(|(legend, runs)| Group {
        legend,
        runs: runs.into_iter().map(points).collect(),
    });
    let groups = groups.collect();
    Figure(Content::Trials(Trials { against, groups }))
}

fn curve(history: &History) -> Vec<Point> {
    let epochs = history.epochs.iter();
    let points = epochs.filter_map(|record| {
        let accuracy = 100.0 * f64::from(record.val_accuracy?);
        Some((record.epoch as f64, accuracy))
    });
    points.collect()
}

#[derive(Clone, Debug)]
pub(super) struct Trials {
    against: Against,
    /// From pale to strong.
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    legend: String,
    runs: Vec<Vec<Point>>,
}

const WIDTH: i32 = 800;

impl Group {
    /// The highest end of a run.
    fn best(&self) -> Option<Point> {
        let ends = self.runs.iter().filter_map(|run| run.last()).copied();
        ends.filter(|end| end.1.is_finite())
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

impl Trials {
    /// The colour of a group: blue, with more and more white.
    fn shade(&self, group: usize) -> RGBColor {
        let last = self.groups.len().saturating_sub(1);
        let ink = match group == last {
            true => 1.0,
            false => 0.25 + 0.35 * group as f64 / last as f64,
        };
        let mixed = |channel: u8| (255.0 - ink * (255.0 - f64::from(channel))) as u8;
        let RGBColor(r, g, b) = BLUE;
        RGBColor(mixed(r), mixed(g), mixed(b))
    }

    fn legend(&self) -> Legend {
        let items = self.groups.iter().enumerate();
        let item = |(i, group): (usize, &Group)| {
            Item::new(Sample::Patch(self.shade(i)), group.legend.clone())
        };
        Legend::new(WIDTH, vec![items.map(item).collect()])
    }

    /// Width and height in pixels of the page.
    pub(super) fn size(&self) -> (i32, i32) {
        (WIDTH, self.legend().height() + 380)
    }

    fn x(&self) -> Scale {
        match &self.against {
            Against::Epoch => Scale::Epochs,
            Against::Number(_) => Scale::Setting,
            Against::Word(_, words) => Scale::Words(words.clone()),
        }
    }

    fn x_title(&self) -> &str {
        match &self.against {
            Against::Epoch => "epoch",
            Against::Number(title) | Against::Word(title, _) => title,
        }
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let legend = self.legend();
        let (top, bottom) = area.split_vertically(legend.height() * PX);
        legend.draw(&top)?;
        let best = self.groups.last().and_then(Group::best);
        let series = self.groups.iter().enumerate().flat_map(|(i, group)| {
            let is_last = i + 1 == self.groups.len();
            group.runs.iter().map(move |run| Series {
                color: self.shade(i),
                dashed: Vec::new(),
                solid: run.clone(),
                dots: Vec::new(),
                best: best
                    .filter(|best| is_last && run.last() == Some(best))
                    .map(|best| (best, format!("{:.1}", best.1))),
            })
        });
        let panel = Panel {
            x: self.x(),
            x_title: self.x_title().to_owned(),
            y: Scale::Linear(0.0, 100.0),
            y_title: "validation accuracy (%)".to_owned(),
            series: series.collect(),
            empty: match &self.against {
                Against::Epoch => "no epoch was measured on validation images",
                Against::Number(_) => "no trial has a number for this setting",
                Against::Word(..) => "no trial has this setting",
            },
        };
        panel.draw(&bottom)
    }
}

/// For each group, how many runs it has, and the best of them.
impl fmt::Display for Trials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "validation accuracy (%) against {}", self.x_title())?;
        for group in &self.groups {
            write!(f, "\n{}", group.legend)?;
            if let Some((x, accuracy)) = group.best() {
                let at = match &self.against {
                    Against::Word(_, words) => words[x as usize].clone(),
                    Against::Epoch | Against::Number(_) => significant(x),
                };
                write!(f, ": highest {accuracy:.1} at {at}")?;
            }
        }
        Ok(())
    }
}
