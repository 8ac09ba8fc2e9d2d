// Package report is `lab report`: it writes docs/benchmarks.md and its pictures from what `lab sell`, `lab seats`, `lab
// search` and `lab watch` printed, and docs/attacks.md from what `lab attack` printed.
//
// Every figure comes out of those documents, and so do the machine, the versions, the commands and the date. The
// package looks at nothing else and reads no clock: the same documents give the same bytes. It compares figures with
// their goals, and leaves out what was not measured. Why a figure is what it is, a person writes, in notes that are
// taken over as they are.
package report
