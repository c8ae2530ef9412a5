package store

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
)

// applicationID marks a database as chatd's: "chat".
const applicationID = 0x63686174

//go:embed schema.sql
var schema string

//go:embed schema2.sql
var schema2 string

// formats returns what makes each format out of the one before, the first out of
// nothing. What was released is never changed; a change is one more at the end.
func formats() []string { return []string{schema, schema2} }

// format returns which format a database has, 0 if it is empty, and refuses one
// that is newer than known, or that is not chatd's. It writes nothing.
func format(ctx context.Context, db querier, dir string, known int) (int, error) {
	var id, version, tables int
	for pragma, into := range map[string]*int{
		"PRAGMA application_id": &id, "PRAGMA user_version": &version, "SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := db.QueryRowContext(ctx, pragma).Scan(into); err != nil {
			return 0, openError(dir, err)
		}
	}
	switch {
	case id != applicationID && (tables > 0 || version > 0):
		return 0, fmt.Errorf("history: %s/%s is not a history of chatd's; name another folder (nothing was changed)", dir, fileName)
	case version > known:
		return 0, fmt.Errorf("history: %s/%s was written by a newer chatd (format %d, this one knows up to %d); "+
			"run that one, or name another folder (nothing was changed)", dir, fileName, version, known)
	}
	return version, nil
}

// migrate brings a database to the newest of formats, each step in a transaction
// of its own.
func migrate(ctx context.Context, db *sql.Conn, from int, formats []string) error {
	for ; from < len(formats); from++ {
		err := transact(ctx, db, func() error {
			_, err := db.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d",
				formats[from], applicationID, from+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("to format %d: %w", from+1, err)
		}
	}
	return nil
}

// transact runs f in a transaction, and undoes what it did if it fails.
func transact(ctx context.Context, db *sql.Conn, f func() error) error {
	if _, err := db.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		// Of a commit that is interrupted one does not know whether it holds.
		_, err = db.ExecContext(context.WithoutCancel(ctx), "COMMIT")
	}
	if err != nil {
		// A full disk may have ended the transaction already, and then this fails.
		db.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}

// querier is a connection, or a pool of them.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// scanner reads the columns of a row.
type scanner func(into ...any) error

// each calls f for each row of a query's answer.
func each(ctx context.Context, db querier, f func(scanner) error, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one reads a single row into what is given, and tells whether there was one.
func one(ctx context.Context, db querier, into []any, query string, args ...any) (bool, error) {
	err := db.QueryRowContext(ctx, query, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
