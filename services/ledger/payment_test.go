package ledger_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
)

func TestPaymentStep_Check(t *testing.T) {
	for id, valid := range map[string]bool{
		"": false, "a": true, "Zz09": true, strings.Repeat("f", 64): true, strings.Repeat("f", 65): false,
		"pay-1": false, "pay 1": false, "päy": false, "a'": false, "a\x00": false,
	} {
		require.Equal(t, valid, ledger.ValidPaymentID(id), "%q", id)
		for _, kind := range []ledger.PaymentStepKind{
			ledger.PaidAtOnce, ledger.PaymentAuthorised, ledger.PaymentCaptured, ledger.PaymentFailed,
			ledger.PaymentAsked,
		} {
			err := (&ledger.PaymentStep{OrderID: "o", PaymentID: id, Kind: kind}).Check()
			require.Equal(t, valid, err == nil, "%q", id)
		}
	}
	for _, kind := range []ledger.PaymentStepKind{"", "PAID", "captured"} {
		err := (&ledger.PaymentStep{OrderID: "o", PaymentID: "p", Kind: kind}).Check()
		require.Equal(t, rail.Invalid, rail.CodeOf(err), "%q", kind)
	}
}
