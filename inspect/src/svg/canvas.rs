//! What a picture is made of.

use core::fmt::{Arguments, Write as _};

/// The picture's width, and where its content starts and ends.
pub(super) const WIDTH: f64 = 1200.0;
pub(super) const LEFT: f64 = 40.0;
pub(super) const RIGHT: f64 = 1160.0;

pub(super) const INK: &str = "#1b1f24";
pub(super) const PALE: &str = "#656d76";
pub(super) const GROUND: &str = "#e7ebef";
pub(super) const PRESERVED: &str = "#9ec5f4";
pub(super) const FILLED: &str = "#3b7dd8";
pub(super) const SOUND: &str = "#1a7f37";
pub(super) const DAMAGED: &str = "#d1242f";
pub(super) const MISSING: &str = "#bf8700";

/// A rectangle: its left and upper edge, how wide and how high it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A picture that grows downwards.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    body: String,
    /// Where the next thing goes.
    pub(super) y: f64,
}

impl Canvas {
    fn put(&mut self, element: Arguments<'_>) {
        // A string takes all that is written to it.
        let written = self.body.write_fmt(element);
        debug_assert!(written.is_ok());
        self.body.push('\n');
    }

    /// Moves down.
    pub(super) fn skip(&mut self, height: f64) {
        self.y += height;
    }

    /// Writes a line that stands on the current height. `style` is any of `bold` and `mono`.
    pub(super) fn text(&mut self, x: f64, size: f64, colour: &str, style: &str, text: &str) {
        self.text_at(x, self.y, size, colour, style, text);
    }

    /// Writes a line somewhere; with `middle` or `end` in `style`, x is not where it starts.
    pub(super) fn text_at(
        &mut self,
        x: f64,
        y: f64,
        size: f64,
        colour: &str,
        style: &str,
        text: &str,
    ) {
        let has = |word| style.split(' ').any(|one| one == word);
        let weight = if has("bold") { " font-weight=\"bold\"" } else { "" };
        let family = if has("mono") { " font-family=\"monospace\"" } else { "" };
        let anchor = if has("middle") {
            " text-anchor=\"middle\""
        } else if has("end") {
            " text-anchor=\"end\""
        } else {
            ""
        };
        let text = escape(text);
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{colour}\"{weight}{family}\
             {anchor}>{text}</text>"
        ));
    }

    /// Fills a rectangle. What `title` says shows when a pointer rests on it.
    pub(super) fn fill(&mut self, rect: Rect, colour: &str, title: &str) {
        let Rect { x, y, width, height } = rect;
        let place =
            format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"");
        if title.is_empty() {
            self.put(format_args!("<rect {place} fill=\"{colour}\"/>"));
        } else {
            let title = escape(title);
            self.put(format_args!("<rect {place} fill=\"{colour}\"><title>{title}</title></rect>"));
        }
    }

    /// Draws the edge of a rectangle.
    pub(super) fn frame(&mut self, rect: Rect, colour: &str, dashed: bool) {
        let Rect { x, y, width, height } = rect;
        let dash = if dashed { " stroke-dasharray=\"4 3\"" } else { "" };
        self.put(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" \
             fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"{dash}/>"
        ));
    }

    /// Draws a line along points; one with an arrow ends in a head.
    pub(super) fn line(&mut self, points: &[(f64, f64)], colour: &str, arrow: bool) {
        let mut path = String::new();
        for (x, y) in points {
            path = format!("{path}{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { " L" });
        }
        let head = match (arrow, colour) {
            (false, _) => "",
            (true, DAMAGED) => " marker-end=\"url(#damaged)\"",
            (true, _) => " marker-end=\"url(#arrow)\"",
        };
        self.put(format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.2\"{head}/>"
        ));
    }

    /// The whole picture.
    pub(super) fn finish(self) -> String {
        let height = self.y + 30.0;
        let marker = |id, colour| {
            format!(
                "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
                 markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"{colour}\"/>\
                 </marker>"
            )
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
             width=\"{WIDTH}\" height=\"{height:.0}\" font-family=\"sans-serif\">\n\
             <defs>{}{}</defs>\n\
             <rect width=\"{WIDTH}\" height=\"{height:.0}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            marker("arrow", PALE),
            marker("damaged", DAMAGED),
            self.body
        )
    }
}

/// Text as it stands in XML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A number as a length; what is too large for that is the largest one.
pub(super) fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_markup_and_has_no_character_that_xml_forbids() {
        assert_eq!(escape("a<b>&\"c\"\u{1b}[2J"), "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}[2J");
    }
}
