package ledgertest

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// suite is one database, emptied before every test.
type suite struct {
	o  sqlledger.Options
	db *sql.DB
}

// Run proves that a ledger keeps its contract. The options are of a migrated database that is the suite's own.
func Run(t *testing.T, o sqlledger.Options) {
	s := &suite{o: o, db: DB(t, o)}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"Sell_PlacesAndReplays", sellPlacesAndReplays},
		{"Sell_UnknownRun", sellUnknownRun},
		{"Sell_DecideSaysNo", sellDecideSaysNo},
		{"Sell_DecidePanics", sellDecidePanics},
		{"Sell_MovesTheVersionOnAlways", sellMovesTheVersionOnAlways},
		{"Sell_LosesToWhoeverCommittedFirst", sellLosesToWhoeverCommittedFirst},
		{"Sell_LockingKeepsOthersOut", sellLockingKeepsOthersOut},
		{"Sell_KnownVersion", sellKnownVersion},
		{"Sell_ReadsStateAndClock", sellReadsStateAndClock},
		{"Sell_LargeBatch", sellLargeBatch},
		{"Sell_Duplicates", sellDuplicates},
		{"Sell_ForeignOrder", sellForeignOrder},
		{"Sell_Claims", sellClaims},
		{"Sell_ClaimsOutliveARollback", sellClaimsOutliveARollback},
		{"Buyers", buyersOf},
		{"Buyers_Asked", buyersAsked},
		{"Sell_KeysAreComparedByteByByte", sellKeysByteByByte},
		{"Sell_AKeyIsOfABuyerAndARun", sellKeysOfARun},
		{"Sell_NamesOfEveryScript", sellNamesOfEveryScript},
		{"Sell_Deadline", sellDeadline},
		{"Sell_ManyAtOnce", sellManyAtOnce},
		{"Cancel_FreesAndLetsTheDocumentTravel", cancelFrees},
		{"Cancel_OnlyOnesOwnHolds", cancelOnlyOnesOwnHolds},
		{"Cancel_TwiceInOneBatch", cancelTwiceInOneBatch},
		{"Expire_FreesAndLetsTheDocumentTravel", expireFrees},
		{"Expire_ReadsExpiredBeforeTheSweep", expireReadsExpiredBeforeTheSweep},
		{"Pay_OnceAndAgain", payOnceAndAgain},
		{"Pay_AfterTheHold", payAfterTheHold},
		{"Pay_Unknown", payUnknown},
		{"Pay_AgainstExpiry", payAgainstExpiry},
		{"Pay_AgainstCancel", payAgainstCancel},
		{"Decide_Paid", decidePaid},
		{"Decide_Failed", decideFailed},
		{"Decide_DeadlinePassed", decideDeadlinePassed},
		{"Decide_TwoPayments", decideTwoPayments},
		{"Decide_Group", decideGroup},
		{"Decide_ManyOrders", decideManyOrders},
		{"Decide_Refused", decideRefused},
		{"Decide_Withdrawn", decideWithdrawn},
		{"Decide_PayingIsLive", decidePayingIsLive},
		{"Decide_PayingIsNoHold", decidePayingIsNoHold},
		{"Decide_AsAModelDoes", decideAsAModelDoes},
		{"Decide_AgainstExpiry", decideAgainstExpiry},
		{"Decide_AgainstTheDeadline", decideAgainstTheDeadline},
		{"Decide_TwoPaymentsAtOnce", decideTwoPaymentsAtOnce},
		{"Decide_GroupsAtOnce", decideGroupsAtOnce},
		{"Return_OneOfAParty", returnOne},
		{"Return_IsReadWhole", returnReadWhole},
		{"Return_All", returnAll},
		{"Return_ByAnAdmin", returnByAnAdmin},
		{"Return_OfWhatWasNotRead", returnUnread},
		{"Return_ManyInABatch", returnMany},
		{"Return_MoneyBack", returnMoneyBack},
		{"Return_Withdrawn", returnWithdrawn},
		{"Return_AsAModelDoes", returnAsAModelDoes},
		{"Use_OneOfAParty", useOne},
		{"Use_Withdrawn", useWithdrawn},
		{"Change_BegunAndDone", changeDone},
		{"Change_BegunAndEnded", changeEnded},
		{"Change_InOneCommit", changeAtOnce},
		{"Change_KeyIsKept", changeKeyIsKept},
		{"DueRuns", dueRuns},
		{"Orders_ListAndCursors", ordersListAndCursors},
		{"Orders_Filters", ordersFilters},
		{"Order_Unknown", orderUnknown},
		{"Orders_ByID", ordersByID},
		{"Orders_RunVersions", ordersRunVersions},
		{"Publish_CreatedUnchangedChanged", publishCreatedUnchangedChanged},
		{"Publish_RunHasOrders", publishRunHasOrders},
		{"Publish_ValidateOnly", publishValidateOnly},
		{"Publish_ChangedRunHasNoSeatSold", publishChangedRunHasNoSeatSold},
		{"Publish_KeepsASuspension", publishKeepsASuspension},
		{"Publish_NumberRisesOnlyWithChange", publishNumberRises},
		{"Publish_LargeBatch", publishLargeBatch},
		{"Publish_NamesAllThatHaveOrders", publishNamesAllWithOrders},
		{"PublishFeed_OwnsItsRuns", publishFeedOwns},
		{"PublishFeed_LeavesRunsWithOrders", publishFeedLeavesOrders},
		{"Drop_WithdrawsOrSuspends", dropRuns},
		{"Drop_LeavesAlone", dropLeavesAlone},
		{"Drop_AndReturn", dropAndReturn},
		{"Drop_AgainstSell", dropAgainstSell},
		{"Stations_PutAndChange", stationsPutAndChange},
		{"Stations_OfFeeds", stationsOfFeeds},
		{"Stations_OfTwoFeedsAtOnce", stationsOfTwoFeedsAtOnce},
		{"SetStatus", setStatus},
		{"SetStatus_AgainstSell", setStatusAgainstSell},
		{"Withdraw", withdraw},
		{"Withdraw_ThenPublishContinuesTheVersion", withdrawThenPublish},
		{"SetStatusAndWithdraw_DamagedMap", damagedMap},
		{"Changes_SinceANumber", changesSinceANumber},
		{"Train_SharedAndUnknown", trainSharedAndUnknown},
		{"Touched", touched},
		{"Touched_IsBounded", touchedIsBounded},
		{"Availabilities_DamagedMaps", availabilitiesDamagedMaps},
		{"Availabilities_PagesAndCounts", availabilitiesPagesAndCounts},
		{"Personal_IsSealed", personalIsSealed},
		{"Personal_OpensInItsRowOnly", personalOpensInItsRowOnly},
		{"Keys_WrongOrMissing", keysWrongOrMissing},
		{"Keys_NotedBySeveralAtOnce", keysNotedBySeveralAtOnce},
		{"Keys_RotateWhileSelling", keysRotateWhileSelling},
		{"Keys_ResealLosesToACorrection", resealLosesToACorrection},
		{"Forget_RunsThatAreOver", forgetRunsThatAreOver},
		{"Forget_PassesBy", forgetPassesBy},
		{"Forget_ABuyer", forgetABuyer},
		{"Forget_LeavesRetriesTheirOrders", forgetLeavesRetriesTheirOrders},
		{"AuditSnapshots_PersonalDefects", auditPersonalDefects},
		{"Cancel_ByAnAdmin", cancelByAnAdmin},
		{"Correct", correct},
		{"Correct_WhatIsBeingChanged", correctChanging},
		{"AuditSnapshots", auditOfRuns},
		{"AuditSnapshots_OneVersion", auditOneVersion},
		{"AuditSnapshots_ManyRows", auditManyRows},
		{"AuditSnapshots_Strays", auditStrays},
		{"Damaged_Trains", damagedTrains},
		{"JumpVersions", jumpVersions},
		{"Hostile_Orders", hostileOrders},
		{"Hostile_Publications", hostilePublications},
		{"Outbox_OfEachType", outboxOfEachType},
		{"Outbox_OfFeeds", outboxOfFeeds},
		{"Outbox_OfNothing", outboxOfNothing},
		{"Outbox_OfLosers", outboxOfLosers},
		{"Outbox_InOrder", outboxInOrder},
		{"Outbox_TakenAgain", outboxTakenAgain},
		{"Outbox_Published", outboxPublished},
		{"Outbox_Ages", outboxAges},
		{"Outbox_IsBounded", outboxIsBounded},
		{"Outbox_Damaged", outboxDamaged},
		{"Outbox_SeveralRelays", outboxSeveralRelays},
		{"EventGroups", eventGroups},
		{"Ready", ready},
		{"Migrate_ManyAtOnce", migrateManyAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.empty(t)
			test.run(t, s)
		})
	}
}

func (s *suite) empty(t *testing.T) {
	t.Helper()
	for _, table := range []string{
		"asked_documents", "refunds", "changes", "tickets", "orders", "order_records", "personal_keys",
		"outbox", "event_groups",
		"seat_changes", "seat_maps", "cluster", "runs", "trains", "formations", "stations", "publications",
	} {
		_, err := s.db.ExecContext(t.Context(), "DELETE FROM "+table)
		require.NoError(t, err)
	}
	_, err := s.db.ExecContext(t.Context(), "UPDATE counters SET value = 0")
	require.NoError(t, err)
}

// open opens the suite's ledger.
func (s *suite) open(t *testing.T) *sqlledger.Ledger {
	t.Helper()
	return Open(t, s.o)
}

// published opens a ledger with T12 on sale.
func (s *suite) published(t *testing.T) (*sqlledger.Ledger, *worker, rail.RunID) {
	t.Helper()
	l := s.open(t)
	run := NewRun(NewTrain("T12"), day)
	publish(t, l, run)
	return l, newWorker(t, l), run.ID
}

func publish(t *testing.T, l *sqlledger.Ledger, runs ...*rail.Run) []ledger.Publication {
	t.Helper()
	done, err := l.Publish(t.Context(), runs, "an admin", false)
	require.NoError(t, err)
	return done
}

func (s *suite) count(t *testing.T, query string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, s.db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

func (s *suite) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := s.db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

func (s *suite) version(t *testing.T, id rail.RunID) int64 {
	t.Helper()
	return int64(s.count(t, "SELECT version FROM runs WHERE id = ?", string(id)))
}

// read reads one order, which must be there.
func read(t *testing.T, l *sqlledger.Ledger, id string) *rail.Order {
	t.Helper()
	o, err := l.Order(t.Context(), id)
	require.NoError(t, err)
	require.NotNil(t, o)
	return o
}

func requireCode(t *testing.T, code rail.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, rail.CodeOf(err), "%v", err)
}
