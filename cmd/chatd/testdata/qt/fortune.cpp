// Asks for fortunes, one after the other, the ways the clients do that come with Qt
// as examples, and prints each with a line % behind it. Where it gets the one again
// that it has just shown, it asks once more, as they do.
//
//	fortune STYLE WHERE COUNT
//
// STYLE is how a fortune is read: transaction, block16 or block32. WHERE is a port
// of this machine, or a path for QLocalSocket.
#include <QCoreApplication>
#include <QDataStream>
#include <QHostAddress>
#include <QLocalSocket>
#include <QTcpSocket>
#include <QTimer>
#include <cstdio>
#include <functional>

// Reader takes a fortune from a stream once all of it is there.
struct Reader {
	QString style;
	qint64 block = 0; // 0: its length has not come yet

	bool read(QIODevice *socket, QDataStream &in, QString &fortune) {
		if (style == QLatin1String("transaction")) {
			in.startTransaction();
			in >> fortune;
			return in.commitTransaction();
		}
		if (block == 0 && style == QLatin1String("block16")) {
			quint16 length;
			if (socket->bytesAvailable() < qint64(sizeof length))
				return false;
			in >> length;
			block = length;
		} else if (block == 0) {
			quint32 length;
			if (socket->bytesAvailable() < qint64(sizeof length))
				return false;
			in >> length;
			block = length;
		}
		if (socket->bytesAvailable() < block || in.atEnd())
			return false;
		in >> fortune;
		return true;
	}
};

// fetch shows so many fortunes and quits. connect makes a new connection, after the
// last one was given up.
template <class Socket> void fetch(Socket *socket, Reader reader, int count, std::function<void()> connect) {
	auto *in = new QDataStream(socket);
	in->setVersion(QDataStream::Qt_4_0);
	auto ask = [=]() mutable {
		socket->abort();
		connect();
	};
	QObject::connect(socket, &Socket::readyRead, [=, shown = QString()]() mutable {
		QString fortune;
		if (!reader.read(socket, *in, fortune))
			return;
		reader.block = 0;
		if (fortune != shown) {
			shown = fortune;
			std::printf("%s\n%%\n", qUtf8Printable(fortune));
			if (--count == 0)
				return QCoreApplication::quit();
		}
		QTimer::singleShot(0, socket, ask);
	});
	QTimer::singleShot(0, socket, ask);
}

int main(int argc, char **argv) {
	QCoreApplication app(argc, argv);
	const QStringList args = app.arguments();
	if (args.size() != 4) {
		std::fprintf(stderr, "usage: fortune transaction|block16|block32 PORT|PATH COUNT\n");
		return 2;
	}
	const Reader reader{args[1]};
	const QString where = args[2];
	const int count = args[3].toInt();
	if (where.startsWith(QLatin1Char('/'))) {
		auto *socket = new QLocalSocket(&app);
		QObject::connect(socket, &QLocalSocket::errorOccurred, [=](QLocalSocket::LocalSocketError error) {
			if (error != QLocalSocket::PeerClosedError) {
				std::fprintf(stderr, "%s\n", qUtf8Printable(socket->errorString()));
				QCoreApplication::exit(1);
			}
		});
		fetch(socket, reader, count, [=] { socket->connectToServer(where); });
	} else {
		auto *socket = new QTcpSocket(&app);
		QObject::connect(socket, &QTcpSocket::errorOccurred, [=](QAbstractSocket::SocketError error) {
			if (error != QAbstractSocket::RemoteHostClosedError) {
				std::fprintf(stderr, "%s\n", qUtf8Printable(socket->errorString()));
				QCoreApplication::exit(1);
			}
		});
		fetch(socket, reader, count, [=] { socket->connectToHost(QHostAddress(QHostAddress::LocalHost), where.toUShort()); });
	}
	QTimer::singleShot(60000, &app, [] {
		std::fprintf(stderr, "no fortune comes\n");
		QCoreApplication::exit(1);
	});
	return app.exec();
}
