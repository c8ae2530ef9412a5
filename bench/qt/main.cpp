// The chat server of many Qt introductions, to compare with: a QTcpServer, a list
// of QTcpSockets, every line that comes in written to all of them. One thread; what
// a socket does not take waits in its write buffer, which has no limit.
//
//	g++ -O2 -fPIC -o qt bench/qt/main.cpp $(pkg-config --cflags --libs Qt6Network)
//	./qt 127.0.0.1 7777
#include <QCoreApplication>
#include <QHostAddress>
#include <QList>
#include <QTcpServer>
#include <QTcpSocket>
#include <cstdio>
#include <limits>

// Connections that may wait to be taken; Qt's own 50 and 30 make the system drop
// some of many that come at once.
constexpr int backlog = 4096;

int main(int argc, char **argv) {
	QCoreApplication app(argc, argv);
	if (argc != 3) {
		std::fprintf(stderr, "usage: qt ADDRESS PORT\n");
		return 2;
	}
	QTcpServer server;
	QList<QTcpSocket *> clients;
#if QT_VERSION >= QT_VERSION_CHECK(6, 3, 0)
	server.setListenBacklogSize(backlog);
#endif
	server.setMaxPendingConnections(std::numeric_limits<int>::max());

	QObject::connect(&server, &QTcpServer::newConnection, [&] {
		while (QTcpSocket *client = server.nextPendingConnection()) {
			client->setSocketOption(QAbstractSocket::LowDelayOption, 1);
			clients.append(client);
			QObject::connect(client, &QTcpSocket::readyRead, [client, &clients] {
				while (client->canReadLine()) {
					const QByteArray line = client->readLine();
					for (QTcpSocket *c : clients)
						c->write(line);
				}
			});
			QObject::connect(client, &QTcpSocket::disconnected, [client, &clients] {
				clients.removeOne(client);
				client->deleteLater();
			});
		}
	});
	if (!server.listen(QHostAddress(QString::fromLatin1(argv[1])), QString::fromLatin1(argv[2]).toUShort())) {
		std::fprintf(stderr, "listen: %s\n", qPrintable(server.errorString()));
		return 1;
	}
	return app.exec();
}
