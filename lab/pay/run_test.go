package pay_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/lab/cluster"
	"interlock/lab/labtest"
	"interlock/lab/pay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRun measures on the smallest whole server, which deals with the bank itself. Its figures are no measure; that
// every payment is paid, waited for and told by the bank is.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	program := labtest.Program(t)
	bank, err := cluster.StartBank(t.Context(), program)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bank.Close()) })
	server := labtest.ServeProgram(t, program, bank.InsideArgs()...)
	bank.Webhooks.SendTo(server.Addr)

	report, err := pay.Run(t.Context(), pay.Options{
		Server: server.Addr, Pids: []int{server.Pid}, Tokens: server.Tokens, Bank: bank,
		Window: 2 * time.Second, Rounds: 1, Buyers: 8, Share: 0.5, PerSecond: 10, Think: 200 * time.Millisecond,
		Train: "G9", SeatsPerClass: 256, Dates: 30,
		Log: server.Log,
	})
	require.NoError(t, err)
	printed, err := json.Marshal(report)
	require.NoError(t, err)
	t.Logf("%s", printed)
	require.Positive(t, report.CarriesPerSecond)
	require.Len(t, report.Round, 1)
	round := report.Round[0]
	require.Empty(t, round.Problem)
	require.Greater(t, round.Paid, 20, "ten a second, and a warm-up")
	require.Zero(t, round.Failed)
	require.Zero(t, round.Untold, "the bank told of each")
	require.Greater(t, round.UnderWay, 1)
	require.GreaterOrEqual(t, round.BeginP99, 200.0, "the bank takes so long to open a page")
	require.Positive(t, round.WebhookToPaidP50)
	require.Less(t, round.WebhookToPaidP50, 2_000.0, "the bank was believed, and not asked seconds later")
	require.LessOrEqual(t, round.WebhookToPaidP50, round.WebhookToPaidP99)
	require.Zero(t, round.Unmailed)
	require.Positive(t, round.PaidToMailP50)
	require.LessOrEqual(t, round.PaidToMailP50, round.PaidToMailP99)
	require.Positive(t, round.WithoutP99)
	require.Positive(t, round.WithP99)
	require.Contains(t, pay.Text(report), "payments under way at once")
}

// TestReport_OK: each goal decides.
func TestReport_OK(t *testing.T) {
	good := pay.Report{
		OrderP99Ratio: pay.MaxOrderP99Ratio, UnderWay: pay.MinUnderWay, WebhookToPaidP99: pay.MaxWebhookToPaid, Paid: 1,
		PaidToMailP99: pay.MaxPaidToMail,
	}
	require.True(t, good.OK())
	for name, spoil := range map[string]func(*pay.Report){
		"slow orders": func(r *pay.Report) { r.OrderP99Ratio += 0.1 },
		"few at once": func(r *pay.Report) { r.UnderWay-- },
		"late":        func(r *pay.Report) { r.WebhookToPaidP99++ },
		"untold":      func(r *pay.Report) { r.WebhookToPaidP99 = 0 },
		"late mail":   func(r *pay.Report) { r.PaidToMailP99++ },
		"no mail":     func(r *pay.Report) { r.Unmailed++ },
		"failed":      func(r *pay.Report) { r.Failed = 1 },
		"none":        func(r *pay.Report) { r.Paid = 0 },
	} {
		bad := good
		spoil(&bad)
		require.False(t, bad.OK(), name)
	}
}
