package fault

import (
	"fmt"
	"slices"
	"strings"

	"interlock/lab/fault/check"
	"interlock/lab/fault/history"
)

// Result is what came of one fault.
type Result struct {
	Name string `json:"fault"`
	Area string `json:"area"`
	Seed uint64 `json:"seed"`
	// Injected is the proof; nil where the fault could not be injected.
	Injected *Injected `json:"injected,omitempty"`
	// OutageSeconds is the longest time from the fault on without a new order.
	OutageSeconds float64 `json:"outage_seconds"`
	// Acknowledged is how many orders buyers were told of.
	Acknowledged int     `json:"acknowledged"`
	Pending      Pending `json:"pending"`
	// Answers counts calls by their kind and outcome.
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
func (r *Result) judge() {
	r.OK = r.Problem == "" && r.Injected != nil && r.Injected.Fired &&
		len(r.Injected.Broken)+len(r.Injected.Unsafe) == 0 && len(r.Checks) > 0
	for _, c := range r.Checks {
		r.OK = r.OK && c.OK
	}
}

// count fills in what clients were told.
func (r *Result) count(calls []history.Call) {
	r.Answers = map[string]int{}
	orders := map[string]bool{}
	for _, c := range calls {
		r.Answers[string(c.Kind)+"_"+string(c.Outcome)]++
		if c.Kind == history.Place && c.Outcome == history.Done && c.Order != nil {
			orders[c.Order.Number] = true
		}
	}
	r.Acknowledged = len(orders)
	for _, attempts := range history.ByRequest(calls) {
		inDoubt := false
		for _, a := range attempts {
			inDoubt = inDoubt || a.Outcome.InDoubt()
		}
		if !inDoubt {
			continue
		}
		r.Pending.Requests++
		switch attempts[len(attempts)-1].Outcome {
		case history.Done:
			r.Pending.Done++
		case history.Refused:
			r.Pending.Refused++
		default:
			r.Pending.Open++
		}
	}
}

// Text is the result for people.
func (r *Result) Text() string {
	var b strings.Builder
	verdict := "FAIL"
	if r.OK {
		verdict = "ok"
	}
	fmt.Fprintf(&b, "%-30s %-4s outage %.1f s, %d orders acknowledged, %d in doubt (%d done, %d refused, %d open), "+
		"%.0f s\n", r.Name, verdict,
		r.OutageSeconds, r.Acknowledged, r.Pending.Requests, r.Pending.Done, r.Pending.Refused, r.Pending.Open,
		r.TookSeconds)
	if r.Problem != "" {
		fmt.Fprintf(&b, "  %s\n", r.Problem)
	}
	if r.Injected != nil {
		what := "injected"
		if !r.Injected.Fired {
			what = "it did not take place"
		}
		fmt.Fprintf(&b, "  %s: %s\n", what, r.Injected.text())
		for _, broken := range append(slices.Clone(r.Injected.Unsafe), r.Injected.Broken...) {
			fmt.Fprintf(&b, "  %s\n", broken)
		}
	}
	for _, c := range r.Checks {
		if !c.OK {
			fmt.Fprintf(&b, "  %s: %d of %d wrong: %s\n", c.Name, c.Failed, c.Looked, strings.Join(c.Examples, "; "))
		}
	}
	return b.String()
}
