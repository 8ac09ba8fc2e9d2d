package fault

import (
	"context"
	"fmt"
	"time"

	"interlock/internal/pause"
	"interlock/lab/fault/history"
	"interlock/lab/proxy"
)

const (
	// cutLast is until an answer to COMMIT has been cut at each of its bytes, which takes some three hundred commits.
	// cutMore is what a slow machine may need besides: healing must end within healLimit.
	cutLast, cutMore = 16 * time.Second, 25 * time.Second
	cutPoll          = 100 * time.Millisecond
)

// commitAnswerCut breaks off every other answer to COMMIT, at the first byte, the second, and so on to the last: each
// time the primary has committed, and the server does not know it.
func commitAnswerCut() Fault {
	return Fault{
		Name: "commit_answer_cut", Area: databaseArea, Shape: proxied, Lasts: cutLast,
		Inject: func(_ context.Context, s *Scene) (Heal, error) {
			cutter, proxies := proxy.NewCutter(), s.Cluster.Proxies()
			for _, p := range proxies {
				p.Cut(cutter)
			}
			begun := time.Now()
			return func(ctx context.Context) (Injected, error) {
				limited, cancel := context.WithTimeout(ctx, cutMore)
				defer cancel()
				for len(cutter.Cuts().Missing) > 0 && limited.Err() == nil {
					pause.For(limited, cutPoll)
				}
				for _, p := range proxies {
					p.Cut(nil)
				}
				cuts, calls := cutter.Cuts(), s.Workload.Log().Calls()
				pending := told(calls, history.Pending, "", begun)
				proof := Injected{Fired: cuts.Answers > 0 && pending > 0, Facts: map[string]any{
					"answer_bytes": cuts.AnswerBytes, "answers_cut": cuts.Answers, "places_cut_at": cuts.AnswerBytes +
						1 - len(cuts.Missing),
					"told_pending": pending, "placed_meanwhile": s.Workload.Placed(begun, ""),
				}}
				if len(cuts.Missing) > 0 {
					proof.Broken = append(proof.Broken,
						fmt.Sprintf("the answer to COMMIT was not cut at %d of its %d bytes, the first %d",
							len(cuts.Missing), cuts.AnswerBytes+1, cuts.Missing[0]))
				}
				return proof, nil
			}, nil
		},
	}
}
