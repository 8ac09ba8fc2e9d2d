//go:build lab

// A cluster takes a minute or two to prove itself on two busy cores, so `make test` runs TestShort alone. By hand:
// go test -tags lab ./lab/...

package sell_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/lab/labtest"
	"interlock/lab/sell"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// TestShort is the short form of `lab sell`: it shows that what is sold is right, and five times what the baseline
// sells. Absolute figures are for a machine that does nothing else.
func TestShort(t *testing.T) {
	report, err := sell.Run(t.Context(), labtest.Cluster(t, cluster.Options{}), sell.Options{
		Window: 5 * time.Second, Rounds: 1, Short: true, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	printed, err := json.Marshal(report)
	require.NoError(t, err)
	t.Logf("%s", printed)

	require.True(t, report.OK())
	require.True(t, report.Verify.OK)
	require.Equal(t, report.Acknowledged, report.Verify.Tickets, "what was sold is what buyers were told of")
	require.Empty(t, report.Problems)
	require.Positive(t, report.SubscriberEvents)
	require.Positive(t, report.Hot64.Orders)
	require.Positive(t, report.SellsOut.SoldOut, "it was sold out")
	require.GreaterOrEqual(t, report.Hot64.RatioToBaseline, 5.0)
}

func TestRun_UnknownScenario(t *testing.T) {
	_, err := sell.Run(t.Context(), nil, sell.Options{Only: []string{"hot_65"}})
	require.ErrorIs(t, err, sell.ErrUnknownScenario)
}
