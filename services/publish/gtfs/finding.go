package gtfs

import "fmt"

// Finding is one thing that a person should know of a feed: something that was left out, or that was worked out.
type Finding struct {
	// Kind is the sentence that all findings of one kind share, such as "trips with fewer than two stops are left out":
	// the heading of a list.
	Kind string
	// LeftOut tells that trips, or rows that matter to trips asked for, are not on sale because of it. Without it, the
	// finding is a notice.
	LeftOut bool
	// File and Line are where in the feed. Lines count from 1, and line 0 is the whole file.
	File string
	Line int
	// Message says what it is, without file and line. It has at most maxMessage bytes.
	Message string
}

// String is the message behind its file and line.
func (f Finding) String() string { return at(f.File, f.Line) + ": " + f.Message }

// at is how a place in a feed is written: "trips.txt:17", or "trips.txt" for the whole file.
func at(file string, line int) string {
	if line > 0 {
		return fmt.Sprintf("%s:%d", file, line)
	}
	return file
}

// notice tells of something that was worked out, and costs no trip.
func (r *reader) notice(kind, file string, line int, format string, args ...any) {
	if r.options.Found != nil {
		r.options.Found(Finding{
			Kind: kind, File: file, Line: line, Message: shortened(fmt.Sprintf(format, args...)),
		})
	}
}
