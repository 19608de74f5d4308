//! Figures of the bench as text: medians, spreads, ratios and gates. Measures nothing.

/// Figures of the rounds of one case.
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Of at least one round.
    pub fn new(figures: Vec<f64>) -> Self {
        assert!(!figures.is_empty(), "a case has rounds");
        Self(figures)
    }

    /// Round by round, these over those.
    pub fn over(&self, others: &Self) -> Self {
        Self(self.0.iter().zip(&others.0).map(|(one, other)| one / other).collect())
    }

    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
    }

    fn bounds(&self) -> (f64, f64) {
        let low = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    }

    /// `70.1 k/s (68.0..71.2)`, from figures in 1/s.
    pub fn rate(&self) -> String {
        let (low, high) = self.bounds();
        let thousands = |figure: f64| figure / 1e3;
        let (median, low, high) = (thousands(self.median()), thousands(low), thousands(high));
        format!("{median:.1} k/s ({low:.1}..{high:.1})")
    }

    /// `0.97x (0.95..0.99)`.
    pub fn ratio(&self) -> String {
        let (low, high) = self.bounds();
        format!("{:.2}x ({low:.2}..{high:.2})", self.median())
    }
}

/// A table whose columns are as wide as their widest cell.
pub struct Table(Vec<Vec<String>>);

impl Table {
    pub fn new(heading: &[&str]) -> Self {
        Self(vec![heading.iter().map(ToString::to_string).collect()])
    }

    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.0[0].len(), "a cell for each column");
        self.0.push(cells);
    }

    pub fn print(&self) {
        let width = |column: usize| self.0.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<_> = (0..self.0[0].len()).map(width).collect();
        for row in &self.0 {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
            println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        println!();
    }
}

/// A goal for a ratio.
#[derive(Clone, Copy)]
pub enum Gate {
    AtMost(f64),
    AtLeast(f64),
}

impl Gate {
    /// Prints whether `figure` is within.
    pub fn print(self, what: &str, figure: f64) {
        let (within, sign, goal) = match self {
            Self::AtMost(goal) => (figure <= goal, "<=", goal),
            Self::AtLeast(goal) => (figure >= goal, ">=", goal),
        };
        let verdict = if within { "PASS" } else { "FAIL" };
        println!("{verdict}  {what}: {figure:.3} {sign} {goal:.2}");
    }
}
