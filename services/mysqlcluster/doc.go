// Package mysqlcluster is what the ledger and the failover supervisor both need of MySQL and MariaDB: connections that
// read text in one way, rows, error numbers, the state of semi-synchronous replication, the cluster's epoch, and the
// one rule by which a member is the primary.
//
// Text is read in one way because the driver writes arguments into the text of a statement, and escapes them as utf8mb4
// is read. A server that reads the text otherwise takes part of an argument for SQL. In GBK, for example, the last byte
// of a letter and the backslash behind it are one character, and the quote that the backslash was to escape ends the
// argument. So a data source name may not choose how text is read, and every connection is set to the one way. A
// connection is given up before its first statement where the server reads text in another way.
package mysqlcluster
