package s3_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	aws3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"headgate/firehose/encode"
	"headgate/firehose/sinktest"
)

// TestAgainstACarelessServer runs the suite against s3rver, which looks at no
// condition: that a batch is there once rests on names and content alone.
func TestAgainstACarelessServer(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(sinktest.Peer(t, "s3rver"), "node_modules", ".bin", "s3rver")
	address := sinktest.FreeAddress(t)
	port := address[len("127.0.0.1:"):]
	sinktest.Start(t, sinktest.Program{Path: program, Args: []string{"-d", folder, "-a", "127.0.0.1", "-p", port, "--silent"}, Ready: "http://" + address})
	v := &sinktest.Versity{Endpoint: "http://" + address, AccessKey: "S3RVER", SecretKey: "S3RVER", Data: folder}
	n := 0
	sinktest.RunCareless(t, encoder(t, encode.Zstd), func(t *testing.T) sinktest.Place {
		n++
		b := &bucket{server: v, name: fmt.Sprint("place-", n), client: aws3.New(aws3.Options{Region: "us-east-1", UsePathStyle: true, BaseEndpoint: &v.Endpoint,
			Credentials: credentials.NewStaticCredentialsProvider(v.AccessKey, v.SecretKey, "")})}
		if err := os.Mkdir(filepath.Join(folder, b.name), 0o755); err != nil {
			t.Fatal(err)
		}
		return b
	})
}
