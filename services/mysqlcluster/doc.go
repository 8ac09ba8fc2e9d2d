// Package mysqlcluster connects to MySQL and MariaDB so that a text means there what it means here.
//
// The driver writes arguments into the text of a statement, and escapes them as utf8mb4 is read. A server that reads the
// text otherwise takes part of an argument for SQL: in GBK the last byte of a letter and the backslash behind it are one
// character, and the quote that the backslash was to escape ends the argument. So a data source name may not choose how
// text is read, every connection is set to one way, and is given up before its first statement where the server reads
// text in another.
package mysqlcluster
