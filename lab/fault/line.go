package fault

import (
	"fmt"
	"slices"
	"strings"

	"interlock/lab/fault/check"
	"interlock/lab/fault/history"
)

// Line is what is told of one fault.
type Line struct {
	Name string `json:"fault"`
	Area string `json:"area"`
	Seed uint64 `json:"seed"`
	// Injected is the proof; nil where it did not come to that.
	Injected *Injected `json:"injected,omitempty"`
	// OutageSeconds is the longest time from the fault on in which nobody was told of a new order.
	OutageSeconds float64 `json:"outage_seconds"`
	// Acknowledged is how many orders buyers were told of.
	Acknowledged int     `json:"acknowledged"`
	Pending      Pending `json:"pending"`
	// Answers counts calls by what was asked and what came of it.
	Answers map[string]int  `json:"answers,omitempty"`
	Checks  []*check.Result `json:"checks,omitempty"`
	// Problem says what kept the fault from being played to its end.
	Problem     string  `json:"problem,omitempty"`
	OK          bool    `json:"ok"`
	TookSeconds float64 `json:"took_seconds"`
}

// Pending are the requests whose buyers were left in doubt, and how they ended.
type Pending struct {
	Requests int `json:"requests"`
	Done     int `json:"done"`
	Refused  int `json:"refused"`
	Open     int `json:"open"`
}

// judge says whether all is well: the fault took place, what is promised of its time held, and so did every check.
func (l *Line) judge() {
	l.OK = l.Problem == "" && l.Injected != nil && l.Injected.Fired && len(l.Injected.Broken)+len(l.Injected.Unsafe) == 0 && len(l.Checks) > 0
	for _, c := range l.Checks {
		l.OK = l.OK && c.OK
	}
}

// count fills in what clients were told.
func (l *Line) count(calls []history.Call) {
	l.Answers = map[string]int{}
	orders := map[string]bool{}
	for _, c := range calls {
		l.Answers[string(c.Kind)+"_"+string(c.Outcome)]++
		if c.Kind == history.Place && c.Outcome == history.Done && c.Order != nil {
			orders[c.Order.Number] = true
		}
	}
	l.Acknowledged = len(orders)
	for _, attempts := range history.ByRequest(calls) {
		doubt := false
		for _, a := range attempts {
			doubt = doubt || a.Outcome.Doubtful()
		}
		if !doubt {
			continue
		}
		l.Pending.Requests++
		switch attempts[len(attempts)-1].Outcome {
		case history.Done:
			l.Pending.Done++
		case history.Refused:
			l.Pending.Refused++
		default:
			l.Pending.Open++
		}
	}
}

// Text is the line for people.
func (l *Line) Text() string {
	var b strings.Builder
	verdict := "FAIL"
	if l.OK {
		verdict = "ok"
	}
	fmt.Fprintf(&b, "%-30s %-4s outage %.1f s, %d orders acknowledged, %d in doubt (%d done, %d refused, %d open), %.0f s\n", l.Name, verdict,
		l.OutageSeconds, l.Acknowledged, l.Pending.Requests, l.Pending.Done, l.Pending.Refused, l.Pending.Open, l.TookSeconds)
	if l.Problem != "" {
		fmt.Fprintf(&b, "  %s\n", l.Problem)
	}
	if l.Injected != nil {
		what := "injected"
		if !l.Injected.Fired {
			what = "it did not take place"
		}
		fmt.Fprintf(&b, "  %s: %s\n", what, l.Injected.text())
		for _, broken := range append(slices.Clone(l.Injected.Unsafe), l.Injected.Broken...) {
			fmt.Fprintf(&b, "  %s\n", broken)
		}
	}
	for _, c := range l.Checks {
		if !c.OK {
			fmt.Fprintf(&b, "  %s: %d of %d wrong: %s\n", c.Name, c.Failed, c.Looked, strings.Join(c.Examples, "; "))
		}
	}
	return b.String()
}
