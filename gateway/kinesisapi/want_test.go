package kinesisapi_test

import (
	"errors"
	"testing"

	"github.com/aws/smithy-go"
)

// wantError wants an AWS error of that code; "" for text is any text.
func wantError(t testing.TB, err error, code, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	if e.ErrorCode() != code || text != "" && e.ErrorMessage() != text {
		t.Errorf("got  %s: %s\nwant %s: %s", e.ErrorCode(), e.ErrorMessage(), code, text)
	}
}
