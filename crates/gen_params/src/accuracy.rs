//! Classes against labels.

use crate::error::{Error, Result};

/// How often each class was taken for each other.
#[derive(Debug, Clone)]
pub struct Accuracy {
    /// (label, class), row-major.
    counts: Vec<usize>,
    classes: usize,
}

impl Accuracy {
    /// Counts the classes found against the labels, both numbers below `classes`, one for each image.
    ///
    /// ```
    /// let accuracy = gen_params::Accuracy::new(&[0, 2, 2, 1], &[0, 2, 1, 1], 3)?;
    /// assert_eq!((accuracy.right(), accuracy.images(), accuracy.percent()), (3, 4, 75.0));
    /// assert_eq!(accuracy.confusions(), [(1, 1, 2)]);
    /// # Ok::<(), gen_params::Error>(())
    /// ```
    ///
    /// # Errors
    /// A label or a class that the network does not have.
    pub fn new(found: &[usize], labels: &[usize], classes: usize) -> Result<Self> {
        let mut counts = vec![0; classes * classes];
        for (image, (&class, &label)) in found.iter().zip(labels).enumerate() {
            for (what, number) in [("label", label), ("class", class)] {
                if number >= classes {
                    let problem = format!(
                        "the {what} of image {image} is {number}, and the network has {classes} classes"
                    );
                    return Err(Error::option("labels", problem));
                }
            }
            counts[label * classes + class] += 1;
        }
        Ok(Self { counts, classes })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Images whose class is their label.
    pub fn right(&self) -> usize {
        (0..self.classes).map(|class| self.counts[class * self.classes + class]).sum()
    }

    /// All images.
    pub fn images(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Percent of the images whose class is their label.
    #[allow(clippy::cast_precision_loss, reason = "numbers of images")]
    pub fn percent(&self) -> f64 {
        100.0 * self.right() as f64 / self.images().max(1) as f64
    }

    /// For each label, how many of its images were put into each class.
    pub fn matrix(&self) -> std::slice::Chunks<'_, usize> {
        self.counts.chunks(self.classes.max(1))
    }

    /// Images of a wrong class, as (count, label, class), the most frequent confusion first.
    pub fn confusions(&self) -> Vec<(usize, usize, usize)> {
        let mut confusions: Vec<(usize, usize, usize)> = (0..self.counts.len())
            .map(|index| (self.counts[index], index / self.classes, index % self.classes))
            .filter(|&(count, label, class)| count > 0 && label != class)
            .collect();
        confusions.sort_by_key(|&(count, label, class)| (std::cmp::Reverse(count), label, class));
        confusions
    }
}
