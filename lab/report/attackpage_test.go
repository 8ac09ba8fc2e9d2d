package report_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/lab/attack"
	"interlock/lab/load"
	"interlock/lab/report"
	"interlock/services/audit"
)

func attacked() *attack.Report {
	round := func(p99 float64) *attack.Round {
		return &attack.Round{
			Attack: attack.Window{
				Buyers: &load.Result{P99Milliseconds: p99, OrdersPerSecond: 149.7}, RequestsPerSecond: 39.8,
				ServerShare: 0.123, LabShare: 0.045,
			},
			Static: attack.Window{Buyers: &load.Result{P99Milliseconds: 20}},
			Ratio:  p99 / 20, GrowthMegabytes: 31.4,
			Told: map[string]map[string]int{"7 levels": {"COMPLEXITY_LIMIT_EXCEEDED": 12}, "5 levels": {"answered": 3}},
		}
	}
	return &attack.Report{
		StartedAt: time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC), Command: "lab attack --json", Seconds: 8,
		OfferedPerSecond: 150, MaxRatio: 2,
		MaxGrowthMegabytes: 300, Acknowledged: 1_234, Lost: 0, TookSeconds: 300,
		Versions: map[string]string{"MySQL": "9.7.4"},
		Attacks: []*attack.Outcome{
			{
				Name: "nested_orders", What: "an order in itself", Connections: 9, MaxPerSecond: 20, OK: true,
				Rounds: []*attack.Round{round(66), round(30)},
			},
			{
				Name: "hoard", What: "a whole train", Connections: 64, MaxPerSecond: 100,
				Wrong: []string{"one account held 6 orders"}, Rounds: []*attack.Round{round(31)},
			},
		},
		Starts: []attack.Start{
			{Parameter: "charset=gbk", Refused: true, Said: "charset is not a setting"}, {Parameter: "charset=sjis"},
		},
		Verify: &audit.Report{OK: true, Runs: 5, Tickets: 1_234},
	}
}

func TestFiles_Attacks(t *testing.T) {
	printed, err := json.Marshal(attacked())
	require.NoError(t, err)
	var in report.Input
	require.NoError(t, in.Add(printed))
	all := files(t, in)
	require.Len(t, all, 1, "attacks have a page of their own, and need no sale")
	page := all["attacks.md"]
	for _, said := range []string{
		"| `nested_orders` | withstood ", "**not withstood**", "3.30", "1.50", "31.4", "12.3 %", "4.5 %",
		"  - 7 levels: COMPLEXITY_LIMIT_EXCEEDED 12", "  - 5 levels: answered 3",
		"  - **wrong**: one account held 6 orders",
		"- `charset=gbk` in the DSN: the server does not start: charset is not a setting", "the server **starts**",
		"1,234 orders", "0 defects",
	} {
		require.Contains(t, page, said)
	}
	require.NotContains(t, page, "%!")
	both := input(t, "sell.json")
	both.Attack = attacked()
	require.Contains(t, files(t, both), "benchmarks.md")
	require.Contains(t, files(t, both), "attacks.md")
}
