package check

import (
	"time"

	"interlock/lab/fault/history"
)

// Searched is how many searches were begun after a moment, how many of them failed or could not say what is left, and whether
// searching stopped: there was none, one had no answer, or somebody was told twice that it is not known what is left. Once he may
// be, since a machine that stands still for half a second fails everybody once, and a search that waits for what is broken fails
// again and again.
func Searched(calls []history.Call, from time.Time) (n, failed int, stopped bool) {
	unknown := map[string]int{}
	for _, c := range calls {
		if c.Kind != history.Search || !c.Start.After(from) {
			continue
		}
		n++
		if c.Outcome == history.Done && c.Code == "" {
			continue
		}
		failed++
		unknown[c.Buyer]++
		stopped = stopped || c.Outcome != history.Done || unknown[c.Buyer] > 1
	}
	return n, failed, stopped || n == 0
}
