package ledger_test

import (
	"os"
	"testing"

	"interlock/internal/servers/serverstest"
	"interlock/services/audit"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/publish"
	"interlock/services/sale"
	"interlock/services/search"
	"interlock/services/watch"
)

var (
	_ sale.Ledger    = (*ledger.Ledger)(nil)
	_ publish.Ledger = (*ledger.Ledger)(nil)
	_ search.Ledger  = (*ledger.Ledger)(nil)
	_ audit.Ledger   = (*ledger.Ledger)(nil)
	_ watch.Orders   = (*ledger.Ledger)(nil)
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// TestLedger_Conformance is the one suite, on every database.
func TestLedger_Conformance(t *testing.T) {
	for _, flavor := range ledgertest.Flavors() {
		t.Run(flavor.Name, func(t *testing.T) { ledgertest.Run(t, flavor.New(t)) })
	}
}
