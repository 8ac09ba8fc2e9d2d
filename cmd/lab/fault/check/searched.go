package check

import (
	"time"

	"interlock/cmd/lab/fault/history"
)

// Searched is how many searches were begun after a moment, how many of them failed or could not say what is left, and whether
// searching stopped: there was none, one had no answer, or somebody was told twice in a row that it is not known what is left.
// Once he may be, since a machine that stands still for half a second fails everybody once, and a search that waits for what is
// broken fails each time. calls are in the order in which answers came.
func Searched(calls []history.Call, from time.Time) (n, failed int, stopped bool) {
	unknown := map[string]bool{}
	for _, c := range calls {
		if c.Kind != history.Search || !c.Start.After(from) {
			continue
		}
		n++
		notKnown := c.Code != ""
		if c.Outcome != history.Done || notKnown {
			failed++
		}
		stopped = stopped || c.Outcome != history.Done || notKnown && unknown[c.Buyer]
		unknown[c.Buyer] = notKnown
	}
	return n, failed, stopped || n == 0
}
