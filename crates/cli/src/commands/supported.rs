//! `gen_params formats` and `gen_params ops`: what is supported, from the tables that the readers and lowerings use.

use std::io::Write;

use anyhow::Result;

use gen_params::formats::Form;
use gen_params::lower;

use crate::terminal;

/// Widest line of a list of operators.
const WIDTH: usize = 100;

/// One line per form.
pub(crate) fn formats() -> Result<()> {
    let mut stdout = terminal::out();
    for form in Form::ALL {
        writeln!(stdout, "{:<23}{:<10}{}", form.name(), form.endings(), form.description())?;
    }
    Ok(())
}

/// The operators of each form whose files hold a graph; forms that share a list stand in one line.
pub(crate) fn operators() -> Result<()> {
    let mut lists: Vec<(Vec<Form>, Vec<&str>)> = Vec::new();
    for form in Form::ALL {
        let operators = lower::operators(form);
        match lists.iter_mut().find(|(_, listed)| *listed == operators) {
            Some((forms, _)) => forms.push(form),
            None => lists.push((vec![form], operators)),
        }
    }
    let mut stdout = terminal::out();
    for (forms, operators) in lists.iter().filter(|(_, operators)| !operators.is_empty()) {
        let names: Vec<&str> = forms.iter().map(|form| form.name()).collect();
        writeln!(stdout, "{} ({} operators)", names.join(", "), operators.len())?;
        let mut line = String::new();
        for operator in operators {
            if !line.is_empty() && line.len() + operator.len() + 1 > WIDTH {
                writeln!(stdout, "   {line}")?;
                line.clear();
            }
            line.push(' ');
            line.push_str(operator);
        }
        writeln!(stdout, "   {line}")?;
    }
    Ok(())
}
