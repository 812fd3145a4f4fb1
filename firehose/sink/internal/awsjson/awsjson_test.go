package awsjson_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"headgate/firehose/sink/internal/awsjson"
	"headgate/shardlog"
)

func TestErrorsHaveTheirNames(t *testing.T) {
	for answer, want := range map[string]string{
		`400 {"__type":"com.amazonaws.kinesis.v20131202#ResourceNotFoundException","message":"no"}`: "ResourceNotFoundException",
		`400 {"__type":"ThrottlingException:http://x/","Message":"no"}`:                             "ThrottlingException",
		`503 <html>`: "",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/kinesis/aws4_request") || r.Header.Get("X-Amz-Target") != "Kinesis_20131202.PutRecord" {
				t.Error(r.Header)
			}
			var status int
			_, _ = fmt.Sscan(answer, &status)
			w.WriteHeader(status)
			fmt.Fprint(w, answer[4:])
		}))
		c, err := awsjson.Open(awsjson.Config{Service: "kinesis", Target: "Kinesis_20131202", Region: "eu-west-1", Endpoint: server.URL, AccessKey: "a", SecretKey: "b"})
		if err != nil {
			t.Fatal(err)
		}
		err = c.Do(t.Context(), "PutRecord", map[string]string{}, nil)
		var e *awsjson.Error
		if !errors.As(err, &e) || e.Code != want {
			t.Errorf("%s: %v", answer, err)
		}
		server.Close()
	}
}

func TestBadEndpoints(t *testing.T) {
	for _, bad := range []string{"ftp://x", "host", "http://", "http://u:p@x"} {
		if _, err := awsjson.Open(awsjson.Config{Endpoint: bad}); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
