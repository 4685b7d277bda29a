//! Files that write themselves.

use std::fmt;
use std::io::{self, Seek, Write};

/// What a file is rendered into.
pub trait Output: Write + Seek {}

impl<W: Write + Seek> Output for W {}

/// An [`Output`] as what formats write to.
pub(crate) struct WriteOnly<'a>(pub(crate) &'a mut dyn Output);

impl Write for WriteOnly<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What renders a file; called once per folder that is written.
type Render<'a> = Box<dyn Fn(&mut dyn Output) -> io::Result<()> + Send + Sync + 'a>;

/// A file that can write itself; its text is never held in memory as a whole.
pub struct FileToWrite<'a> {
    name: String,
    render: Render<'a>,
}

impl<'a> FileToWrite<'a> {
    /// A file with this path inside the folder (with `/`), which `render` writes from its beginning to its end.
    pub fn new(
        name: impl Into<String>,
        render: impl Fn(&mut dyn Output) -> io::Result<()> + Send + Sync + 'a,
    ) -> Self {
        Self { name: name.into(), render: Box::new(render) }
    }

    /// Its path inside the folder, with `/`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes the file's bytes.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn render(&self, out: &mut dyn Output) -> io::Result<()> {
        (self.render)(out)
    }
}

impl fmt::Debug for FileToWrite<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileToWrite").field("name", &self.name).finish_non_exhaustive()
    }
}
