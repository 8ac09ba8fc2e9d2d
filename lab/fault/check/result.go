package check

import "fmt"

// Result is what came of one check.
type Result struct {
	// Name is C1 to C13.
	Name string `json:"check"`
	OK   bool   `json:"ok"`
	// Looked is at how many things, Failed how many of them were wrong.
	Looked int `json:"looked"`
	Failed int `json:"failed"`
	// Examples are the first of those.
	Examples []string `json:"examples,omitempty"`
	// Figures are what was measured on the way.
	Figures map[string]float64 `json:"figures,omitempty"`
	// Note is why something was allowed here that usually is not.
	Note string `json:"note,omitempty"`
}

// maxExamples is enough to see what it is about.
const maxExamples = 5

func begin(name string) *Result { return &Result{Name: name, OK: true} }

// wrong notes one thing that is wrong.
func (r *Result) wrong(format string, args ...any) {
	r.OK = false
	r.Failed++
	if len(r.Examples) < maxExamples {
		r.Examples = append(r.Examples, fmt.Sprintf(format, args...))
	}
}

func (r *Result) figure(name string, value float64) {
	if r.Figures == nil {
		r.Figures = map[string]float64{}
	}
	r.Figures[name] = value
}
