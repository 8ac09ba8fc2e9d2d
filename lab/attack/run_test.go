//go:build lab

// A cluster takes half a minute to prove itself on two busy cores. TestShort is a step of `make test-all`:
// go test -tags lab ./lab/attack

package attack_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/lab/attack"
	"interlock/lab/cluster"
	"interlock/lab/labtest"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// TestShort plays those attacks that stand for all: on what one query may cost, on what one account may hold, and on
// how text is read. How long buyers wait is for a machine that does nothing else.
func TestShort(t *testing.T) {
	c := labtest.Cluster(t, cluster.Options{Strict: true})
	report, err := attack.Run(t.Context(), c, attack.Options{
		Window: 3 * time.Second, PerSecond: 100, Only: []string{"nested_orders", "hoard", "names"},
		Log:   slog.New(slog.DiscardHandler),
		Limit: time.Second, // nothing is played again for buyers' waits: they do not count here
	})
	require.NoError(t, err)
	printed, err := json.Marshal(report)
	require.NoError(t, err)
	t.Logf("%s", printed)
	require.True(t, report.Right(), attack.Text(report))
	require.Len(t, report.Attacks, 3)
	require.Positive(t, report.Acknowledged)
	require.NotEmpty(t, report.Starts)
}
