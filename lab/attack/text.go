package attack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Text is a report for people.
func Text(r *Report) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%.0f buyers a second; each attack %.0f s, and as many static requests for as long", r.OfferedPerSecond,
		r.Seconds)
	line("%-16s %-4s %10s %9s %9s %6s %9s %8s %7s", "attack", "", "requests/s", "p99 ms", "static", "ratio", "orders/s",
		"growth", "cpu")
	for _, o := range r.Attacks {
		for _, round := range o.Rounds {
			verdict := "ok"
			if len(round.wrong())+len(round.tooSlow()) > 0 {
				verdict = "FAIL"
			}
			line("%-16s %-4s %10.0f %9.1f %9.1f %6.2f %9.0f %5.0f MB %5.0f %%", o.Name, verdict,
				round.Attack.RequestsPerSecond,
				round.Attack.Buyers.P99Milliseconds, round.Static.Buyers.P99Milliseconds, round.Ratio,
				round.Attack.Buyers.OrdersPerSecond,
				round.GrowthMegabytes, 100*round.Attack.ServerShare)
		}
		last := o.Rounds[len(o.Rounds)-1]
		line("%16s told: %s", "", Told(last.Told))
		for _, failure := range slices.Concat(o.Wrong, o.Slow) {
			line("%16s wrong: %s", "", failure)
		}
	}
	for _, s := range r.Starts {
		verdict := "refused"
		if !s.Refused {
			verdict = "STARTED"
		}
		line("a server with %s: %s: %s", s.Parameter, verdict, s.Said)
	}
	line("%d orders acknowledged, %d lost", r.Acknowledged, r.Lost)
	if r.Verify != nil {
		line("verify: ok %t, %d runs, %d tickets, %d defects", r.Verify.OK, r.Verify.Runs, r.Verify.Tickets,
			len(r.Verify.Defects))
		for _, defect := range r.Verify.Defects[:min(len(r.Verify.Defects), maxFound)] {
			line("%16s %s: %s: %s", "", defect.Check, defect.Run, defect.Message)
		}
	}
	for _, problem := range slices.Sorted(maps.Keys(r.Problems)) {
		line("%d × %s", r.Problems[problem], problem)
	}
	return b.String()
}

// Told is how often the attackers of all variants were told what.
func Told(told map[string]map[string]int) string {
	sums := map[string]int{}
	for _, codes := range told {
		for code, n := range codes {
			sums[code] += n
		}
	}
	var all []string
	for _, code := range slices.Sorted(maps.Keys(sums)) {
		all = append(all, fmt.Sprintf("%s %d", code, sums[code]))
	}
	return strings.Join(all, ", ")
}
