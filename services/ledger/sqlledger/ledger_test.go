package sqlledger_test

import (
	"os"
	"testing"

	"interlock/internal/servers/serverstest"
	"interlock/services/audit"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/publish"
	"interlock/services/sale"
	"interlock/services/search"
	"interlock/services/watch"
)

var (
	_ sale.Ledger    = (*sqlledger.Ledger)(nil)
	_ publish.Ledger = (*sqlledger.Ledger)(nil)
	_ search.Ledger  = (*sqlledger.Ledger)(nil)
	_ audit.Ledger   = (*sqlledger.Ledger)(nil)
	_ watch.Orders   = (*sqlledger.Ledger)(nil)
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// TestLedger_Conformance is the one suite, on every database.
func TestLedger_Conformance(t *testing.T) {
	for _, flavor := range ledgertest.Flavors() {
		t.Run(flavor.Name, func(t *testing.T) { ledgertest.Run(t, flavor.New(t)) })
	}
}
