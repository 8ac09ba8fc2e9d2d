package publish

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"

	"interlock/services/publish/gtfs"
)

const (
	// maxFindingKinds is how many kinds of finding are told apart, and maxListed how many of each are kept: what a
	// person reads on a screen.
	maxFindingKinds = 100
	maxListed       = 20
)

// otherFindings is the kind of what comes after maxFindingKinds.
const otherFindings = "other findings"

// Findings collects what a person should know of an import. It counts all findings by kind, keeps the first of each
// kind, and writes all into a report. It takes a few hundred kilobytes of memory, however many findings there are. The
// zero value is ready, and has no report.
type Findings struct {
	report *csv.Writer
	kinds  []*FindingsOfKind
	err    error
}

// FindingsOfKind are the findings of one kind.
type FindingsOfKind struct {
	Kind    string
	LeftOut bool
	Count   int
	// First are the first of them, at most 20.
	First []gtfs.Finding
}

// FindingsHeader is the first line of a report of findings.
const FindingsHeader = "what,kind,file,line,message"

// NewFindings collects findings and writes each as a line of CSV, below FindingsHeader.
func NewFindings(report io.Writer) *Findings {
	f := &Findings{report: csv.NewWriter(report)}
	_, f.err = io.WriteString(report, FindingsHeader+"\n")
	return f
}

// Add takes one finding.
func (f *Findings) Add(finding gtfs.Finding) {
	kind := f.of(finding.Kind, finding.LeftOut)
	kind.Count++
	if len(kind.First) < maxListed {
		kind.First = append(kind.First, finding)
	}
	if f.report != nil && f.err == nil {
		line := ""
		if finding.Line > 0 {
			line = fmt.Sprint(finding.Line)
		}
		f.err = f.report.Write([]string{
			whatFound(finding.LeftOut), finding.Kind, finding.File, line, finding.Message,
		})
	}
}

// of finds or makes a kind.
func (f *Findings) of(name string, leftOut bool) *FindingsOfKind {
	is := func(kind *FindingsOfKind) bool { return kind.Kind == name && kind.LeftOut == leftOut }
	if i := slices.IndexFunc(f.kinds, is); i >= 0 {
		return f.kinds[i]
	}
	if len(f.kinds) >= maxFindingKinds && name != otherFindings {
		return f.of(otherFindings, leftOut)
	}
	kind := &FindingsOfKind{Kind: name, LeftOut: leftOut}
	f.kinds = append(f.kinds, kind)
	return kind
}

func whatFound(leftOut bool) string {
	if leftOut {
		return "left out"
	}
	return "notice"
}

// Kinds are all kinds found: first what was left out, then the notices, each in the order they were found.
func (f *Findings) Kinds() []*FindingsOfKind {
	kinds := slices.Clone(f.kinds)
	slices.SortStableFunc(kinds, func(a, b *FindingsOfKind) int {
		return cmp.Compare(whatFound(a.LeftOut), whatFound(b.LeftOut))
	})
	return kinds
}

// LeftOut counts what was left out.
func (f *Findings) LeftOut() int {
	n := 0
	for _, kind := range f.kinds {
		if kind.LeftOut {
			n += kind.Count
		}
	}
	return n
}

// Print writes what a person reads on a screen: of what was left out, the first of each kind; of the notices of one
// kind, one line.
func (f *Findings) Print(w io.Writer) error {
	for _, kind := range f.Kinds() {
		var err error
		switch {
		case kind.LeftOut:
			err = kind.printList(w)
		case kind.Count == 1:
			_, err = fmt.Fprintf(w, "notice: %s: %s\n", kind.Kind, kind.First[0])
		default:
			_, err = fmt.Fprintf(w, "notice: %s: %d, such as %s\n", kind.Kind, kind.Count, kind.First[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *FindingsOfKind) printList(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s: %d\n", k.Kind, k.Count); err != nil {
		return err
	}
	for _, finding := range k.First {
		if _, err := fmt.Fprintf(w, "  %s\n", finding); err != nil {
			return err
		}
	}
	if more := k.Count - len(k.First); more > 0 {
		if _, err := fmt.Fprintf(w, "  … and %d more\n", more); err != nil {
			return err
		}
	}
	return nil
}

// Flush writes the rest of the report, and tells whether all of it could be written.
func (f *Findings) Flush() error {
	if f.report != nil && f.err == nil {
		f.report.Flush()
		f.err = f.report.Error()
	}
	return f.err
}
